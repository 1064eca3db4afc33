"""Calls to a deployment's replicas: made again where one was lost, ended with their caller."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    ReplicaUnavailableError,
)

from immich_aio.engines.protocol import EngineHealth
from immich_aio.errors import OverloadedError, UnavailableError, UpstreamError
from immich_aio.services.cluster.answer import Answer

log = logging.getLogger("ray.serve")  # what Serve keeps in the log of the replica

TRIES = 4
"""An inference is nobody's loss when it is made twice. But a file that kills whoever reads it must
not kill a replica after the other: after so many the gateway is told, which finds out whose fault
it was.
"""


class Response(Protocol):
    """What Ray calls a DeploymentResponse."""

    def __await__(self) -> Any:  # noqa: ANN401  # whatever the replica's method returns
        ...

    def cancel(self) -> None:
        """End the work, wherever it is."""
        ...


class Handle(Protocol):
    """What Ray calls a DeploymentHandle."""

    def options(self, *, method_name: str) -> Handle:
        """The handle by which that method is called."""
        ...

    def remote(self, *args: object) -> Response:
        """Call it."""
        ...

    def broadcast(self, method_name: str) -> Broadcast:
        """Call a method of every replica."""
        ...


class Broadcast(Protocol):
    """What Ray calls a DeploymentBroadcastResponse."""

    async def results_async(self) -> object:
        """What they return."""
        ...


class Replicas:
    """The replicas of one deployment, which is called ``name``."""

    def __init__(self, handle: Handle, name: str) -> None:
        self._handle = handle
        self._name = name
        self._running = 0
        self._engine = ""

    async def call(self, method: str, *args: object) -> Any:  # noqa: ANN401  # the method's result
        """What one of them answers.

        Raises its error as it was raised there; OverloadedError where as many requests wait as
        may; UnavailableError where there are none, and will be none; UpstreamError where TRIES were
        lost in the middle of this call.
        """
        self._running += 1
        try:
            return await self._tried(method, *args)
        finally:
            self._running -= 1

    async def release(self) -> None:
        """Have all of them give their models' memory back until the next request."""
        try:
            await self._handle.broadcast("release").results_async()
        except RayError as error:
            log.info("a replica of %s did not release its models: %s", self._name, error)

    def health(self) -> EngineHealth:
        """What they run on, as far as one has answered yet, and how many calls are under way."""
        on = f"{self._engine}, by replicas" if self._engine else "Ray Serve's replicas"
        return EngineHealth(ready=True, description=on, workers=0, waiting=0, running=self._running)

    async def _tried(self, method: str, *args: object) -> Any:  # noqa: ANN401  # as above
        for _ in range(TRIES):
            try:
                answer = await self._answer(method, *args)
            except RayTaskError:  # a fault in the replica's own code, which comes again
                raise
            except (RayError, ReplicaUnavailableError) as error:
                log.warning("%s: a replica was lost (%s); asking another", self._name, error)
            else:
                self._engine = answer.engine
                return answer.result()
        raise UpstreamError(
            f"{TRIES} replicas of '{self._name}' were lost in the middle of this request; "
            "'immich-aio cluster serve status' and the logs of their nodes say why."
        )

    async def _answer(self, method: str, *args: object) -> Answer[Any]:
        response = self._handle.options(method_name=method).remote(*args)
        try:
            answer: Answer[Any] = await response
        except asyncio.CancelledError:
            response.cancel()
            raise
        except BackPressureError:
            raise OverloadedError(
                f"As many requests wait for '{self._name}' as may; try again in a moment, or raise "
                "its replicas or its max_queued_requests in the cluster's configuration."
            ) from None
        except DeploymentUnavailableError:
            raise UnavailableError(
                f"'{self._name}' could not be started; 'immich-aio cluster serve status' says why."
            ) from None
        return answer

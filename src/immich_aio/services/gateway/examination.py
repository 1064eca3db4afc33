"""Whose fault a failure was: the request's, or the backend's, which is then left alone a while."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from time import monotonic

from immich_aio.errors import (
    AioError,
    BadInputError,
    OverloadedError,
    TooLargeError,
    UnreachableError,
)
from immich_aio.services.gateway.backends import Backend
from immich_aio.services.gateway.canary import canary_of
from immich_aio.services.gateway.health import Lane
from immich_aio.services.gateway.routing import Unit

log = logging.getLogger(__name__)

ANSWERS = (BadInputError, TooLargeError, OverloadedError)
"""A backend that says so much is there, and does its work."""

LONGEST = 30.0
"""Seconds that a backend has for a known good request."""


class Examiner:
    """Examines what is suspect, one lane at a time; ``done`` is called after each, and ``lost``
    where that finds a server away.
    """

    def __init__(
        self,
        backends: Mapping[str, Backend],
        done: Callable[[], None],
        lost: Callable[[Lane], None],
    ) -> None:
        self._backends = backends
        self._done = done
        self._lost = lost
        self._running: dict[Lane, asyncio.Task[bool]] = {}

    def examine(self, lane: Lane, unit: Unit, error: AioError) -> asyncio.Future[bool]:
        """Whether the backend is well, to be awaited or not; ``error`` is what it did wrong.

        It is examined once for all who ask meanwhile, and whether they still wait or not.
        """
        running = self._running.get(lane)
        if running is None or running.done():  # it may have ended in this turn of the event loop
            running = asyncio.create_task(self._examine(lane, unit, error))
            self._running[lane] = running
            running.add_done_callback(lambda task: self._forget(lane, task))
        return asyncio.shield(running)

    def _forget(self, lane: Lane, task: asyncio.Task[bool]) -> None:
        if self._running.get(lane) is task:
            del self._running[lane]

    async def close(self) -> None:
        """End what runs."""
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _examine(self, lane: Lane, unit: Unit, error: AioError) -> bool:
        try:
            well = await self._is_well(lane, unit)
        finally:
            lane.suspect = False
        now = monotonic()
        if well:
            lane.breaker.succeeded()
        else:
            lane.breaker.failed(now, error.message)
        self._done()
        return well

    async def _is_well(self, lane: Lane, unit: Unit) -> bool:
        """Whether it can do what every backend can that is well."""
        backend = self._backends[lane.backend]
        try:
            async with asyncio.timeout(min(lane.timeout or LONGEST, LONGEST)):
                canary = await canary_of(unit)
                await (backend.ping() if canary is None else backend.perform(*canary))
        except ANSWERS:
            return True
        except UnreachableError as error:
            if lane.reach.lost(error.message):
                self._lost(lane)
            return False
        except Exception as error:  # noqa: BLE001  # whatever it is, it is no answer
            log.info("%s fails at a known good request too: %r", lane.backend, error)
            return False
        return True

"""Calls to replicas that are lost, full or absent, by Ray's own errors."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    ObjectLostError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)
from ray.serve._private.common import DeploymentID
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    ReplicaUnavailableError,
)

from immich_aio.errors import BadImageError, OverloadedError, UnavailableError, UpstreamError
from immich_aio.services.cluster.answer import Answer
from immich_aio.services.cluster.calls import TRIES, Replicas

GOOD = Answer("read", "OpenVINO bf16 on CPU")
LOST = (
    ActorDiedError(),
    ActorUnavailableError("gone", b"0" * 16),
    ObjectLostError("0" * 56, None, ""),
    WorkerCrashedError(),
    TaskCancelledError(),
    ReplicaUnavailableError("one"),
)


class ScriptedHandle:
    """A deployment that answers, or raises, one thing after the other."""

    def __init__(self, *script: object) -> None:
        self.script = list(script)
        self.calls: list[tuple[str, tuple[object, ...]]] = []
        self.cancelled = 0
        self._method = ""

    def options(self, *, method_name: str) -> ScriptedHandle:
        self._method = method_name
        return self

    def remote(self, *args: object) -> Scripted:
        self.calls.append((self._method, args))
        return Scripted(self, self.script.pop(0))

    def broadcast(self, method_name: str) -> Any:  # noqa: ANN401  # not asked for here
        raise NotImplementedError(method_name)


class Scripted:
    """One answer of it; ``None`` never comes."""

    def __init__(self, handle: ScriptedHandle, outcome: object) -> None:
        self._handle = handle
        self._outcome = outcome

    def __await__(self) -> Generator[Any, None, object]:
        return self._come().__await__()

    async def _come(self) -> object:
        if self._outcome is None:
            await asyncio.Event().wait()
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    def cancel(self) -> None:
        self._handle.cancelled += 1


@pytest.mark.parametrize("lost", LOST, ids=lambda error: type(error).__name__)
async def test_what_a_lost_replica_had_in_hand_is_given_to_another(lost: Exception) -> None:
    handle = ScriptedHandle(lost, lost, GOOD)
    assert await Replicas(handle, "ocr").call("read", b"photo", 1) == "read"
    assert handle.calls == [("read", (b"photo", 1))] * 3


async def test_a_file_that_kills_whoever_reads_it_does_not_kill_them_all() -> None:
    handle = ScriptedHandle(*[ActorDiedError()] * TRIES, GOOD)
    with pytest.raises(UpstreamError, match="'ocr' were lost"):
        await Replicas(handle, "ocr").call("read")
    assert handle.script == [GOOD]


async def test_an_error_of_ours_is_raised_as_it_was_and_asked_for_once() -> None:
    handle = ScriptedHandle(Answer(BadImageError("Cut off."), "CPU"))
    with pytest.raises(BadImageError, match=r"^Cut off\.$"):
        await Replicas(handle, "ocr").call("read")


async def test_a_fault_in_a_replicas_code_is_not_repeated() -> None:
    handle = ScriptedHandle(RayTaskError("read", "", ZeroDivisionError()).as_instanceof_cause())
    with pytest.raises(ZeroDivisionError):
        await Replicas(handle, "ocr").call("read")


async def test_a_full_deployment_says_when_to_come_again_and_what_to_raise() -> None:
    handle = ScriptedHandle(BackPressureError(4, 4))
    with pytest.raises(OverloadedError, match="max_queued_requests") as caught:
        await Replicas(handle, "ocr").call("read")
    assert caught.value.retry_after == 1


async def test_a_deployment_that_could_not_start_is_unavailable() -> None:
    handle = ScriptedHandle(DeploymentUnavailableError(DeploymentID("ocr")))
    with pytest.raises(UnavailableError, match="serve status"):
        await Replicas(handle, "ocr").call("read")


async def test_a_caller_who_goes_ends_the_call() -> None:
    handle = ScriptedHandle(None)
    replicas = Replicas(handle, "ocr")
    task = asyncio.create_task(replicas.call("read"))
    await asyncio.sleep(0)
    assert replicas.health().running == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (handle.cancelled, replicas.health().running) == (1, 0)


async def test_it_is_told_what_the_replicas_run_on_once_one_has_answered() -> None:
    replicas = Replicas(ScriptedHandle(GOOD), "ocr")
    assert "OpenVINO" not in replicas.health().description
    await replicas.call("read")
    assert "OpenVINO bf16 on CPU" in replicas.health().description

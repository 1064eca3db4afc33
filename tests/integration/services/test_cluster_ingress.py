"""The AI service's own app over deployments: the real app, and replicas in the same process, which
are called through Ray's own serialiser.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest
from ray import cloudpickle
from ray.serve.exceptions import BackPressureError

from immich_aio.errors import BadImageError
from immich_aio.services.ai.service import AiServiceConfig
from immich_aio.services.cluster import replicas
from immich_aio.services.cluster.ingress import Ingress, IngressConfig
from immich_aio.services.cluster.replicas import OcrReplica, Room
from immich_aio.wire import mt_photos
from tests.integration.services.live import RESULT, EngineDouble, ask, live, send_form

KEY = "a key of our own"
CONFIG = IngressConfig(AiServiceConfig(KEY, True, 1024 * 1024), "ViT-B-16", "buffalo_l")


class LocalHandle:
    """A deployment of one replica in this process; what is said crosses as between two."""

    def __init__(self, replica: object) -> None:
        self.replica = replica
        self.full = False
        self._method = ""

    def options(self, *, method_name: str) -> LocalHandle:
        self._method = method_name
        return self

    def remote(self, *args: object) -> LocalResponse:
        return LocalResponse(self._call(self._method, *args))

    def broadcast(self, method_name: str) -> LocalBroadcast:
        return LocalBroadcast(self._call(method_name))

    async def _call(self, method: str, *args: object) -> object:
        if self.full:
            raise BackPressureError(64, 64)
        sent = cloudpickle.loads(cloudpickle.dumps(args))
        answer = await getattr(self.replica, method)(*sent)
        return cloudpickle.loads(cloudpickle.dumps(answer))


class LocalResponse:
    """See ``immich_aio.services.cluster.calls.Response``."""

    def __init__(self, work: Any) -> None:  # noqa: ANN401  # a coroutine
        self._task = asyncio.ensure_future(work)

    def __await__(self) -> Generator[Any, None, object]:
        return asyncio.shield(self._task).__await__()

    def cancel(self) -> None:
        self._task.cancel()


class LocalBroadcast:
    """See ``immich_aio.services.cluster.calls.Broadcast``."""

    def __init__(self, work: Any) -> None:  # noqa: ANN401  # a coroutine
        self._work = work

    async def results_async(self) -> object:
        return await self._work


async def deployed(engine: EngineDouble, monkeypatch: pytest.MonkeyPatch) -> LocalHandle:
    """A deployment for OCR of that engine."""
    monkeypatch.setattr(replicas, "own_room", lambda: Room(1, has_gpu=False))
    replica = OcrReplica.__new__(OcrReplica)
    await replica.__init__(lambda _room: engine)  # type: ignore[misc]  # as Ray does
    return LocalHandle(replica)


def app(handle: LocalHandle) -> Any:  # noqa: ANN401  # an ASGI app
    return Ingress(CONFIG, {"ocr": handle}).__serve_build_asgi_app__()


async def test_the_same_protocol_is_answered_as_by_an_engine_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with live(app(await deployed(EngineDouble(), monkeypatch))) as url:
        reply = await send_form(f"{url}/ocr", key=KEY, file=b"photo")
        status = (await ask(f"{url}/aio/status")).json
    assert reply.json == mt_photos.ocr_reply(RESULT)
    assert "recognise;dur=4.0" in reply.headers["Server-Timing"]
    assert "by replicas" in status["engine"]
    assert status["faces"]["state"] == "not in this cluster"


async def test_an_error_of_a_replica_is_told_as_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = EngineDouble(BadImageError("Cut off."))
    async with live(app(await deployed(engine, monkeypatch))) as url:
        reply = await send_form(f"{url}/ocr", key=KEY, file=b"photo")
    assert reply.headers[mt_photos.FAILURE_HEADER] == "bad_image"
    assert reply.json["msg"] == "Cut off."


async def test_a_full_deployment_is_429_with_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    handle = await deployed(EngineDouble(), monkeypatch)
    handle.full = True
    async with live(app(handle)) as url:
        reply = await send_form(f"{url}/ocr", key=KEY, file=b"photo")
    assert (reply.status, reply.headers["Retry-After"]) == (429, "1")


async def test_who_hangs_up_ends_the_work_of_the_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = EngineDouble(held=True)
    async with live(app(await deployed(engine, monkeypatch))) as url:
        asking = asyncio.create_task(send_form(f"{url}/ocr", key=KEY, file=b"photo"))
        await engine.began.wait()
        asking.cancel()
        await asyncio.wait_for(engine.cancelled.wait(), 10)


async def test_memory_is_given_back_by_every_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = EngineDouble()
    async with live(app(await deployed(engine, monkeypatch))) as url:
        reply = await ask(f"{url}/restart", "POST", headers={"api-key": KEY})
    assert (reply.json, engine.released) == ({"result": "pass"}, 1)


@pytest.mark.parametrize(
    ("path", "remedy"), [("/clip/img", "CLIP_MODEL"), ("/represent", "FACES_FROM=here")]
)
async def test_what_the_cluster_is_without_is_said_with_the_remedy(
    path: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with live(app(await deployed(EngineDouble(), monkeypatch))) as url:
        reply = await send_form(f"{url}{path}", key=KEY, file=b"photo")
    assert reply.headers[mt_photos.FAILURE_HEADER] == "unavailable"
    assert remedy in reply.json["msg"]

"""A caller who hangs up ends the work that was done for them."""

from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from immich_aio.domain.tasks import OcrOptions
from immich_aio.errors import BadImageError, CancelledWorkError
from immich_aio.services.http import errors
from immich_aio.services.http.hang_up import unless_hung_up
from tests.integration.services.live import RESULT, Caller, EngineDouble, calling, live


class Reading:
    """An app that has an engine work for whoever calls; ``ends`` tells what became of it."""

    def __init__(self, engine: EngineDouble) -> None:
        self._engine = engine
        self.ends: asyncio.Queue[type[BaseException] | None] = asyncio.Queue()
        self.app = Starlette(routes=[Route("/", self._answer, methods=["POST"])])
        errors.install(self.app)

    async def _answer(self, request: Request) -> Response:
        image = await request.body()
        try:
            result = await unless_hung_up(request, self._engine.read(image, OcrOptions()))
        except BaseException as error:
            self.ends.put_nowait(type(error))
            raise
        self.ends.put_nowait(None)
        return JSONResponse({"lines": len(result.lines)})


async def send_image(caller: Caller) -> None:
    await caller.begin("/", 5)
    await caller.say(b"image")


async def test_a_caller_who_hangs_up_cancels_the_work() -> None:
    engine = EngineDouble(held=True)
    reading = Reading(engine)
    async with live(reading.app) as url:
        async with calling(url) as caller:
            await send_image(caller)
            await engine.began.wait()
        await engine.cancelled.wait()
        assert await reading.ends.get() is CancelledWorkError


async def test_a_caller_who_waits_gets_the_result_and_the_work_is_left_alone() -> None:
    engine = EngineDouble(held=True)
    reading = Reading(engine)
    async with live(reading.app) as url, calling(url) as caller:
        await send_image(caller)
        await engine.began.wait()
        engine.let_go.set()
        reply = await caller.reply()
    assert (reply.status, reply.json) == (200, {"lines": len(RESULT.lines)})
    assert not engine.cancelled.is_set()


async def test_the_same_connection_serves_the_next_request() -> None:
    reading = Reading(EngineDouble())
    async with live(reading.app) as url, calling(url) as caller:
        for _ in range(3):
            await send_image(caller)
            assert (await caller.reply()).status == 200


async def test_a_failure_of_the_work_is_told_to_the_caller() -> None:
    reading = Reading(EngineDouble(BadImageError()))
    async with live(reading.app) as url, calling(url) as caller:
        await send_image(caller)
        assert (await caller.reply()).status == 400


async def test_nothing_of_the_work_is_left_when_the_request_has_ended() -> None:
    """Work that takes a while to stop has stopped before the request is over, whatever it says."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(10):  # turns of the event loop
                await asyncio.sleep(0)
            ended.set()
            raise BadImageError

    request = Request({"type": "http", "method": "POST", "headers": []}, receive=_hang_up)
    with pytest.raises(CancelledWorkError):
        await unless_hung_up(request, stubborn(), body_read=began)
    assert ended.is_set()


async def _hang_up() -> dict[str, str]:
    return {"type": "http.disconnect"}

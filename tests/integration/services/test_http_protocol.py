"""Our leaner protocol serves as uvicorn's own: however bodies come, and whatever comes after."""

from __future__ import annotations

import asyncio
import io

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from immich_aio.services.http.protocol import AHEAD
from tests.integration.services.live import Caller, ask, calling, live


async def _size(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def _numbers(_request: Request) -> Response:
    async def pieces() -> object:
        for number in range(1000):
            yield f"{number}\n"

    return StreamingResponse(pieces())  # type: ignore[arg-type]


APP = Starlette(
    routes=[Route("/size", _size, methods=["POST"]), Route("/numbers", _numbers)],
)


@pytest.mark.parametrize("size", [0, 1, 65_536, AHEAD - 1, AHEAD + 1, 5 * AHEAD])
async def test_a_body_of_any_size_arrives_whole(size: int) -> None:
    async with live(APP) as url:
        reply = await ask(f"{url}/size", "POST", data=io.BytesIO(bytes(size)))
    assert reply.body == str(size).encode()


async def test_a_reply_in_many_pieces_comes_whole_and_in_order() -> None:
    async with live(APP) as url:
        reply = await ask(f"{url}/numbers")
    assert reply.body.split() == [str(number).encode() for number in range(1000)]


async def test_one_connection_serves_many_requests() -> None:
    async with live(APP) as url, calling(url) as caller:
        for size in (10, 100_000, 3):
            await caller.begin("/size", size)
            await caller.say(bytes(size))
            assert (await caller.reply()).body == str(size).encode()


async def test_requests_that_are_sent_ahead_are_answered_in_their_order() -> None:
    async with live(APP) as url, calling(url) as caller:
        for size in (5, 7, 11):
            await caller.begin("/size", size)
            await caller.say(bytes(size))
        assert [(await caller.reply()).body for _ in range(3)] == [b"5", b"7", b"11"]


async def test_a_caller_who_wants_the_connection_closed_gets_the_reply_first() -> None:
    async with live(APP) as url, calling(url) as caller:
        await caller.begin("/size", 4, Connection="close")
        await caller.say(b"four")
        assert (await caller.reply()).body == b"4"
        assert await _end(caller) == b""


async def _end(caller: Caller) -> bytes:
    async with asyncio.timeout(20):
        return await caller._reader.read()

"""Immich's WebSocket goes through as it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response

from tests.integration.services.companion.wires import PATIENCE, companion_before

PATH = "/api/socket.io/?EIO=4&transport=websocket"
LARGE = "発" * 1_000_000


class Immich:
    """Says everything twice, and keeps what it was told at the beginning and at the end."""

    def __init__(self) -> None:
        self.head: Request | None = None
        self.closed: asyncio.Queue[int | None] = asyncio.Queue()

    async def talk(self, socket: ServerConnection) -> None:
        self.head = socket.request
        try:
            async for message in socket:
                await socket.send(message)
                await socket.send(message)
                if message == "bye":
                    await socket.close(4001, "enough")
        finally:
            self.closed.put_nowait(socket.close_code)

    def admit(self, socket: ServerConnection, request: Request) -> Response | None:
        if "Cookie" in request.headers:
            return None
        return socket.respond(401, "who are you?")


@contextlib.asynccontextmanager
async def companion() -> AsyncIterator[tuple[Immich, str]]:
    immich = Immich()
    async with serve(
        immich.talk, "127.0.0.1", 0, process_request=immich.admit, max_size=None
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with companion_before(f"http://127.0.0.1:{port}") as url:
            yield immich, url.replace("http", "ws") + PATH


KNOWN = {"Cookie": "immich_access_token=x", "X-Forwarded-For": "1.2.3.4"}


async def test_messages_of_any_size_go_both_ways_until_immich_ends_it() -> None:
    async with (
        companion() as (immich, url),
        connect(url, additional_headers=KNOWN, max_size=None) as socket,
    ):
        for message in ("hello", b"\x00\xff", LARGE, "bye"):
            await socket.send(message)
            assert await socket.recv() == message
            assert await socket.recv() == message
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert (socket.close_code, socket.close_reason) == (4001, "enough")
        assert immich.head is not None
        assert immich.head.path == PATH
        assert immich.head.headers["Cookie"] == KNOWN["Cookie"]
        assert immich.head.headers.get_all("X-Forwarded-For") == ["127.0.0.1"]


async def test_immich_hears_that_a_caller_is_gone() -> None:
    async with companion() as (immich, url):
        async with connect(url, additional_headers=KNOWN) as socket:
            await socket.send("hello")
            await socket.recv()
        async with asyncio.timeout(PATIENCE):
            assert await immich.closed.get() == 1000
        async with connect(url, additional_headers=KNOWN) as socket:
            socket.transport.abort()
        async with asyncio.timeout(PATIENCE):
            assert await immich.closed.get() in (1005, 1006)


async def test_a_caller_whom_immich_does_not_know_gets_its_refusal() -> None:
    async with companion() as (_immich, url):
        with pytest.raises(InvalidStatus) as refused:
            await connect(url)
    assert refused.value.response.status_code == 401
    assert refused.value.response.body == b"who are you?"


async def test_a_websocket_does_not_keep_the_companion_from_ending() -> None:
    async with companion() as (_immich, url):
        socket = await connect(url, additional_headers=KNOWN)
    async with asyncio.timeout(PATIENCE):
        await socket.wait_closed()

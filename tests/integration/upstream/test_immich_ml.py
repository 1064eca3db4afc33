"""Immich's own machine-learning server as we call it, and the errors of the HTTP client."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from immich_aio.domain.tasks import ClipImageTask, ClipTextTask, FacesTask
from immich_aio.errors import TimeoutExceededError, UpstreamError
from immich_aio.upstream.http import HttpClient
from immich_aio.upstream.immich_ml import ImmichMlClient
from tests.integration.upstream.servers import Answer, answer, immich_ml

TASKS = (ClipImageTask("ViT-B-32__openai"), FacesTask("buffalo_l", 0.6))


@contextlib.asynccontextmanager
async def client_of(url: str) -> AsyncIterator[ImmichMlClient]:
    client = ImmichMlClient(url, 30)
    try:
        yield client
    finally:
        await client.close()


async def test_the_tasks_are_asked_for_as_immich_asks() -> None:
    reply = {"clip": "[1]", "facial-recognition": []}
    async with immich_ml(answer(reply)) as server, client_of(server.url) as client:
        assert await client.predict(TASKS, b"image", None) == reply
    (got,) = server.got
    assert json.loads(got.parts["entries"]) == {
        "clip": {"visual": {"modelName": "ViT-B-32__openai"}},
        "facial-recognition": {
            "detection": {"modelName": "buffalo_l", "options": {"minScore": 0.6}},
            "recognition": {"modelName": "buffalo_l"},
        },
    }
    assert got.parts["image"] == b"image"
    assert got.filenames == {"entries": None, "image": "blob"}


async def test_a_text_goes_as_a_field() -> None:
    async with immich_ml(answer({"clip": "[1]"})) as server, client_of(server.url) as client:
        await client.predict((ClipTextTask("m"),), None, "飞机")
    assert server.got[0].parts["text"].decode() == "飞机"
    assert server.got[0].filenames["text"] is None


async def test_nothing_is_asked_for_compressed_so_that_replies_go_on_as_they_are() -> None:
    async with immich_ml(answer({"clip": "[1]"})) as server, client_of(server.url) as client:
        assert await client.predict(TASKS, b"image", None) == {"clip": "[1]"}
    assert server.got[0].headers["accept-encoding"] == "identity"


async def test_no_cookie_of_one_request_is_sent_with_the_next() -> None:
    reply = Answer(200, b"{}", {"Set-Cookie": "caller=first"})
    async with immich_ml(reply) as server:
        by_name = server.url.replace("127.0.0.1", "localhost")
        async with client_of(by_name) as client:
            for _ in range(2):
                await client.predict(TASKS, b"image", None)
    assert "cookie" not in server.got[1].headers


@pytest.mark.parametrize("status", [400, 404, 422, 500, 503])
async def test_any_status_but_200_is_an_error_that_names_server_and_status(status: int) -> None:
    async with immich_ml(answer({}, status)) as server, client_of(server.url) as client:
        with pytest.raises(UpstreamError, match=f"IMMICH_API at {server.url} answered {status}"):
            await client.predict(TASKS, b"image", None)


# ---- Servers that are none


@contextlib.asynccontextmanager
async def raw_server(said: bytes) -> AsyncIterator[str]:
    """Something that listens, reads a little, says this, and hangs up."""

    async def answer_and_go(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(answer_and_go, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


HALF_A_REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"


@pytest.mark.parametrize("said", [b"", b"220 mail.example ESMTP\r\n", HALF_A_REPLY])
async def test_a_server_that_does_not_speak_http_is_named(said: bytes) -> None:
    async with raw_server(said) as url, client_of(url) as client:
        with pytest.raises(UpstreamError, match=f"IMMICH_API at {url} failed"):
            await client.predict(TASKS, b"image", None)


async def test_an_address_at_which_nobody_listens_is_named() -> None:
    async with client_of("http://127.0.0.1:1") as client:
        with pytest.raises(UpstreamError, match=r"IMMICH_API at http://127\.0\.0\.1:1 cannot"):
            await client.predict(TASKS, b"image", None)


TIMEOUTS = [
    TimeoutError(),
    aiohttp.ServerTimeoutError(),
    aiohttp.SocketTimeoutError(),
    aiohttp.ConnectionTimeoutError(),
]
FAULTS = [
    aiohttp.ServerDisconnectedError(),
    aiohttp.ClientPayloadError("cut off"),
    aiohttp.ClientOSError(104, "reset"),
    aiohttp.ClientConnectionResetError("reset"),
    aiohttp.InvalidURL("x"),
]


@pytest.mark.parametrize("error", [*TIMEOUTS, *FAULTS], ids=lambda error: type(error).__name__)
def test_every_error_of_the_http_client_becomes_one_of_ours(error: Exception) -> None:
    client = HttpClient("IMMICH_API", "http://localhost:1", 1, {})
    wanted = TimeoutExceededError if error in TIMEOUTS else UpstreamError
    with pytest.raises(wanted, match="IMMICH_API at http://localhost:1"), client._seam():
        raise error

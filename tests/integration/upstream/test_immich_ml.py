"""Immich's own machine-learning server as we call it, and the errors of the HTTP client."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from immich_aio.domain.tasks import ClipImageTask, ClipTextTask, FacesTask
from immich_aio.errors import (
    AioError,
    BadInputError,
    OverloadedError,
    TimeoutExceededError,
    TooLargeError,
    UnprocessableError,
    UnreachableError,
    UpstreamError,
)
from immich_aio.upstream.http import HttpClient
from immich_aio.upstream.immich_ml import ImmichMlClient
from immich_aio.upstream.whole_reply import BrokenReplyError, EndlessReplyError
from tests.integration.upstream.servers import Answer, answer, immich_ml

VECTOR_TEXT = json.dumps([0.5] * 512)
GOOD = answer({"clip": VECTOR_TEXT, "facial-recognition": []})
TASKS = (ClipImageTask("ViT-B-32__openai"), FacesTask("buffalo_l", 0.6))


@contextlib.asynccontextmanager
async def client_of(url: str) -> AsyncIterator[ImmichMlClient]:
    client = ImmichMlClient(url, 30)
    try:
        yield client
    finally:
        await client.close()


async def test_the_tasks_are_asked_for_as_immich_asks() -> None:
    reply = {"clip": VECTOR_TEXT, "facial-recognition": []}
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
    async with immich_ml(answer({"clip": VECTOR_TEXT})) as server, client_of(server.url) as client:
        await client.predict((ClipTextTask("m"),), None, "飞机")
    assert server.got[0].parts["text"].decode() == "飞机"
    assert server.got[0].filenames["text"] is None


async def test_nothing_is_asked_for_compressed_so_that_replies_go_on_as_they_are() -> None:
    async with immich_ml(GOOD) as server, client_of(server.url) as client:
        await client.predict(TASKS, b"image", None)
    assert server.got[0].headers["accept-encoding"] == "identity"


async def test_no_cookie_of_one_request_is_sent_with_the_next() -> None:
    reply = Answer(200, GOOD.body, {"Set-Cookie": "caller=first"})
    async with immich_ml(reply) as server:
        by_name = server.url.replace("127.0.0.1", "localhost")
        async with client_of(by_name) as client:
            for _ in range(2):
                await client.predict(TASKS, b"image", None)
    assert "cookie" not in server.got[1].headers


@pytest.mark.parametrize("status", [401, 404, 500, 502, 503, 504])
async def test_a_status_that_is_no_answer_is_an_error_that_names_server_and_status(
    status: int,
) -> None:
    async with immich_ml(answer({}, status)) as server, client_of(server.url) as client:
        with pytest.raises(UpstreamError, match=f"IMMICH_API at {server.url} answered {status}"):
            await client.predict(TASKS, b"image", None)


@pytest.mark.parametrize(
    ("status", "error"), [(400, BadInputError), (413, TooLargeError), (422, UnprocessableError)]
)
async def test_what_is_wrong_with_the_request_is_told_in_the_servers_words(
    status: int, error: type[AioError]
) -> None:
    told = answer({"detail": "Image is upside down"}, status)
    async with immich_ml(told) as server, client_of(server.url) as client:
        with pytest.raises(error, match="refuses it: Image is upside down"):
            await client.predict(TASKS, b"image", None)


@pytest.mark.parametrize("after", ["7", "-1", "soon", None])
async def test_a_busy_server_is_an_overload_with_a_time_to_wait(after: str | None) -> None:
    busy = Answer(429, b"", {} if after is None else {"Retry-After": after})
    async with immich_ml(busy) as server, client_of(server.url) as client:
        with pytest.raises(OverloadedError) as raised:
            await client.predict(TASKS, b"image", None)
    assert raised.value.retry_after == (7 if after == "7" else 1)


USELESS = [
    pytest.param(Answer(200, b"not JSON"), "reply", id="no JSON"),
    pytest.param(answer([]), "object", id="a list"),
    pytest.param(answer({"clip": VECTOR_TEXT}), "facial-recognition", id="a task missing"),
    pytest.param(answer({"clip": "[1,2]", "facial-recognition": []}), "2 numbers", id="length"),
    pytest.param(answer({"clip": [0.5] * 512, "facial-recognition": []}), "text", id="no string"),
    pytest.param(
        answer({"clip": "[" + "x," * 511 + "1]", "facial-recognition": []}), "array", id="letters"
    ),
    pytest.param(answer({"clip": "[]", "facial-recognition": []}), "array", id="empty"),
]


@pytest.mark.parametrize(("reply", "words"), USELESS)
async def test_a_reply_that_immich_could_not_use_is_an_error_that_says_why(
    reply: Answer, words: str
) -> None:
    async with immich_ml(reply) as server, client_of(server.url) as client:
        with pytest.raises(
            UpstreamError, match=rf"IMMICH_API at {server.url} is of no use.*{words}"
        ):
            await client.predict(TASKS, b"image", None)


async def test_whoever_wants_a_reply_as_it_is_gets_it_as_it_is() -> None:
    """As Immich does, which the sandbox stands in for."""
    async with immich_ml(answer({"clip": "[1,2]"})) as server, client_of(server.url) as client:
        reply = await client.predict(TASKS, b"image", None, as_it_is=True)
    assert reply == {"clip": "[1,2]"}


async def test_a_reply_without_end_is_not_read_to_its_end() -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n{"
    async with raw_server(endless) as url, client_of(url) as client:
        with pytest.raises(UpstreamError, match="more than 32 MiB"):
            await client.predict(TASKS, b"image", None)


async def test_a_password_in_the_address_is_sent_and_never_shown() -> None:
    async with immich_ml(answer({}, 500)) as server:
        url = server.url.replace("//", "//user:hush@")
        async with client_of(url) as client:
            with pytest.raises(UpstreamError) as raised:
                await client.predict(TASKS, b"image", None)
    assert "hush" not in raised.value.message
    assert server.got[0].headers["authorization"].startswith("Basic ")


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
]
UNREACHED = [aiohttp.ConnectionTimeoutError()]
FAULTS = [
    aiohttp.ServerDisconnectedError(),
    aiohttp.ClientPayloadError("cut off"),
    aiohttp.ClientOSError(104, "reset"),
    aiohttp.ClientConnectionResetError("reset"),
    aiohttp.InvalidURL("x"),
    BrokenReplyError("hung up"),
    EndlessReplyError(),
]


@pytest.mark.parametrize(
    "error", [*TIMEOUTS, *UNREACHED, *FAULTS], ids=lambda error: type(error).__name__
)
def test_every_error_of_the_http_clients_becomes_one_of_ours(error: Exception) -> None:
    client = HttpClient("IMMICH_API", "http://localhost:1", 1, {})
    ours = client._ours(error)
    assert type(ours) is wanted(error)
    assert "IMMICH_API at http://localhost:1" in ours.message


def wanted(error: Exception) -> type[AioError]:
    """A connection that does not come about means that nothing was begun there."""
    if error in UNREACHED:
        return UnreachableError
    return TimeoutExceededError if error in TIMEOUTS else UpstreamError

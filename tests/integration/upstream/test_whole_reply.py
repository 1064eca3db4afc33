"""Bodies that are in memory are passed on over plain HTTP, whatever the server does with them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from immich_aio.errors import TimeoutExceededError, UnreachableError, UpstreamError
from immich_aio.upstream import http
from immich_aio.upstream.connection import ReplyHead
from immich_aio.upstream.http import HttpClient
from immich_aio.upstream.request_id import REQUEST_ID
from immich_aio.upstream.whole_reply import _Collector

PIECES = (b"first, ", b"", b"second")
BODY = b"first, second"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

Said = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listening:
    """A server that reads whole requests and says what it is told to, connection by connection."""

    def __init__(self, say: bytes | Said, *, hangs_up: bool = False) -> None:
        self._say = say
        self._hangs_up = hangs_up
        self.url = ""
        self.connections = 0
        self.got: list[bytes] = []
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def end(self) -> None:
        """Hang up on whoever is still there."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.append(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._talk(reader, writer)
            self.left.set()
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if isinstance(self._say, bytes):
                self.got.append(head + await reader.readexactly(len(BODY)))
                self.asked.set()
                writer.write(self._say)
            else:
                await self._say(head, reader, writer)
            if self._hangs_up:
                break


@contextlib.asynccontextmanager
async def listening(
    say: bytes | Said, *, hangs_up: bool = False
) -> AsyncIterator[tuple[Listening, HttpClient]]:
    """The server, and a client of it."""
    made = Listening(say, hangs_up=hangs_up)
    server = await asyncio.start_server(made, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = client_of(made.url)
    try:
        async with server:
            yield made, client
    finally:
        await client.close()
        await made.end()


def client_of(url: str, seconds: float = 30) -> HttpClient:
    return HttpClient("IMMICH_API", url, seconds, {"Accept-Encoding": "identity"})


async def post(client: HttpClient) -> bytes:
    return (await client.post("/predict?a=1", PIECES, {"Content-Type": "text/plain"})).body


async def test_the_request_is_whole_and_says_what_it_must() -> None:
    async with listening(OK) as (server, client):
        REQUEST_ID.set("the-id")
        assert await post(client) == b"hi"
    (got,) = server.got
    head, _, body = got.partition(b"\r\n\r\n")
    assert body == BODY
    assert head.split(b"\r\n") == [
        b"POST /predict?a=1 HTTP/1.1",
        b"Host: " + server.url.removeprefix("http://").encode(),
        b"Accept-Encoding: identity",
        b"X-Request-ID: the-id",
        b"Content-Type: text/plain",
        b"Content-Length: 13",
    ]


async def test_a_user_and_password_in_the_address_are_sent() -> None:
    async with listening(OK) as (server, _):
        client = client_of(server.url.replace("//", "//me:hush%21@"))
        await post(client)
        await client.close()
    assert b"\r\nAuthorization: Basic bWU6aHVzaCE=\r\n" in server.got[0]


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n"
REPLIES = {
    "of a length": OK,
    "in chunks": CHUNKED,
    "after an interim one": b"HTTP/1.1 100 Continue\r\nX-Hint: 1\r\n\r\n" + OK,
}


@pytest.mark.parametrize("said", REPLIES.values(), ids=REPLIES)
async def test_replies_of_every_kind_are_read_and_the_connection_is_used_again(
    said: bytes,
) -> None:
    async with listening(said) as (server, client):
        for _ in range(3):
            reply = await client.post("/predict", PIECES, {})
            assert (reply.status, reply.body) == (200, b"hi")
            assert reply.headers.get("x-hint") is None
    assert server.connections == 1


LAST = {
    "that ends with the connection": b"HTTP/1.1 200 OK\r\n\r\nhi",
    "of HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "that says it is the last": OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
}


@pytest.mark.parametrize("said", LAST.values(), ids=LAST)
async def test_after_a_last_reply_there_is_a_new_connection(said: bytes) -> None:
    async with listening(said, hangs_up=True) as (server, client):
        assert [await post(client) for _ in range(2)] == [b"hi"] * 2
    assert server.connections == 2


async def test_what_nobody_asked_for_is_no_answer_to_the_next_request() -> None:
    async with listening(OK + OK.replace(b"hi", b"no")) as (server, client):
        assert [await post(client) for _ in range(2)] == [b"hi"] * 2
    assert server.connections == 2


async def test_a_body_without_content_is_not_waited_for() -> None:
    async with listening(b"HTTP/1.1 204 No Content\r\n\r\n") as (server, client):
        assert [await post(client) for _ in range(2)] == [b""] * 2
    assert server.connections == 1


async def test_a_refusal_before_the_body_was_read_is_relayed() -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"

    async def refuse(
        _head: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(refusal)
        await asyncio.sleep(3600)

    async with listening(refuse) as (server, client):
        for _ in range(2):  # the second on a connection of its own: the first is still being sent
            reply = await asyncio.wait_for(client.post("/predict", [b"x" * 20_000_000], {}), 30)
            assert reply.status == 413
        assert server.connections == 2


BROKEN = {
    "nothing": b"",
    "another protocol": b"220 mail.example ESMTP\r\n",
    "half a reply": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "half of its chunks": CHUNKED[:-8],
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
}


@pytest.mark.parametrize("said", BROKEN.values(), ids=BROKEN)
async def test_what_is_no_whole_reply_is_an_error_that_names_the_server(said: bytes) -> None:
    async with listening(said, hangs_up=True) as (server, client):
        with pytest.raises(UpstreamError, match=f"IMMICH_API at {server.url} failed"):
            await post(client)


ENDLESS = {
    "by its own account": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n{",
    "as it turns out": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000,
}


@pytest.mark.parametrize("said", ENDLESS.values(), ids=ENDLESS)
async def test_a_reply_without_end_is_not_read_to_its_end(
    said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_REPLY", 1000)
    async with listening(said) as (_, client):
        with pytest.raises(UpstreamError, match="sent a reply of more than"):
            await post(client)


async def test_a_server_that_says_nothing_is_given_up_and_hung_up_on() -> None:
    async with listening(b"") as (server, _):
        client = client_of(server.url, 0.1)
        with pytest.raises(TimeoutExceededError, match="UPSTREAM_TIMEOUT"):
            await post(client)
        await server.left.wait()
        await client.close()


async def test_as_long_as_something_is_heard_nobody_gives_up() -> None:
    collector = _Collector(3600, 1000)
    collector.reply_begins(ReplyHead(200, b"OK", []))
    collector.look()
    collector.reply_goes_on(b"h")
    collector.look()
    assert not collector.reply.done()
    collector.look()
    with pytest.raises(TimeoutError):
        await collector.reply
    collector.forget()


async def test_whoever_gives_up_hangs_up() -> None:
    async with listening(b"") as (server, client):
        asked = asyncio.create_task(post(client))
        await server.asked.wait()
        asked.cancel()
        await server.left.wait()


async def test_closing_ends_what_is_under_way() -> None:
    async with listening(b"") as (server, client):
        asked = asyncio.create_task(post(client))
        await server.asked.wait()
        await client.close()
        with pytest.raises(UpstreamError):
            await asyncio.wait_for(asked, 30)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://no-such-host.invalid"])
async def test_a_server_that_cannot_be_reached_is_named(url: str) -> None:
    client = client_of(url)
    with pytest.raises(UnreachableError, match=f"IMMICH_API at {url} cannot be reached: "):
        await post(client)


async def test_many_at_once_each_get_their_own_answer() -> None:
    async def echo(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int(head.split(b"Content-Length: ")[1])
        body = await reader.readexactly(length)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (length, body))

    async with listening(echo) as (server, client):
        bodies = [bytes([number]) * 100_000 for number in range(16)]
        for _ in range(3):
            replies = await asyncio.gather(*(client.post("/", [each], {}) for each in bodies))
            assert [reply.body for reply in replies] == bodies
    assert server.connections == 16


async def test_a_connection_that_is_lost_while_idle_is_not_used_again() -> None:
    async with listening(OK, hangs_up=True) as (server, client):
        assert await post(client) == b"hi"
        assert client._pool is not None
        (resting,) = client._pool._idle
        for _ in range(1000):  # it tells nobody
            if not resting.is_open:
                break
            await asyncio.sleep(0.01)
        assert await post(client) == b"hi"
    assert server.connections == 2

"""Servers in Immich's place, companions before them, and callers who say each byte themselves."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

import h11
from aiohttp import web

from immich_aio.services.companion.app import create_app
from immich_aio.services.companion.companion import Companion, CompanionConfig, Features
from tests.integration.services.live import live

PATIENCE = 20
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}
VARYING = {"date"}
OF_PROXIES = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"}
"""What a reply of the echo says of the way by which a request came."""


@dataclass(frozen=True)
class Answer:
    """A reply as it came over the wire; ``whole`` unless it broke off."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    whole: bool = True

    @property
    def own_headers(self) -> list[tuple[str, str]]:
        """Those that are not about one connection alone, in their order."""
        return [each for each in self.headers if each[0].lower() not in HOP_BY_HOP | VARYING]

    def header(self, name: str) -> list[str]:
        """Every header of that name."""
        return [value for each, value in self.headers if each.lower() == name]


class Wire:
    """A connection to a server, by its bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, *pieces: bytes) -> None:
        """Send these one by one."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def answer(self, method: str = "GET") -> Answer:
        """The next reply, as h11 reads it. Interim ones are passed over."""
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        parser.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        parser.send(h11.EndOfMessage())
        head, body = None, bytearray()
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    event = parser.next_event()
                except h11.RemoteProtocolError:  # it broke off
                    assert head is not None
                    return _answer(head, body, whole=False)
                if event is h11.NEED_DATA:
                    parser.receive_data(await self._more())
                elif isinstance(event, h11.Response):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    assert head is not None
                    self._keep(parser.trailing_data[0])
                    return _answer(head, body)
                elif isinstance(event, h11.ConnectionClosed):
                    raise ConnectionError("no reply")

    async def rest(self) -> bytes:
        """Everything until the connection is closed."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    def _keep(self, data: bytes) -> None:
        """What was read of the next reply."""
        self.reader._buffer[:0] = data  # type: ignore[attr-defined]

    async def _more(self) -> bytes:
        try:
            return await self.reader.read(1 << 16)
        except ConnectionError:
            return b""


def _answer(head: h11.Response, body: bytearray, *, whole: bool = True) -> Answer:
    headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in head.headers.raw_items()]
    return Answer(
        head.status_code, head.reason.decode("latin-1"), tuple(headers), bytes(body), whole
    )


@contextlib.asynccontextmanager
async def wire(url: str) -> AsyncIterator[Wire]:
    """A connection to the server at this address."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def exchanged(url: str, *pieces: bytes, method: str = "GET") -> Answer:
    """The reply to one request on a connection of its own."""
    async with wire(url) as one:
        await one.say(*pieces)
        return await one.answer(method)


def get(target: str, *headers: str, method: str = "GET") -> bytes:
    """A request without a body."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: photos", *headers, "", ""]).encode()


@contextlib.asynccontextmanager
async def companion_before(
    url: str, features: Features | None = None, *, proxies: Sequence[str] = (), seconds: float = 5
) -> AsyncIterator[str]:
    """A companion that stands before the server at this address."""
    networks = tuple(ip_network(each) for each in proxies)
    config = CompanionConfig(url, seconds, networks)
    async with live(create_app(Companion(config, features or Features()))) as own:
        yield own


# ---- An Immich that tells what it was asked, and answers as the request wants it


async def _echo(request: web.Request) -> web.StreamResponse:
    wanted = json.loads(request.headers.get("x-reply", "{}"))
    body = await request.read()
    told = {
        "method": request.method,
        "target": request.raw_path,
        "headers": sorted(
            (name.lower(), value)
            for name, value in request.headers.items()
            if name.lower() not in HOP_BY_HOP | OF_PROXIES | {"content-length"}
        ),
        "body": hashlib.sha256(body).hexdigest(),
        "size": len(body),
    }
    reply = web.StreamResponse(status=wanted.get("status", 200), reason=wanted.get("reason"))
    data = json.dumps(told).encode() + b"." * wanted.get("size", 0)
    for name, value in wanted.get("headers", []):
        reply.headers.add(name, value)
    if "Content-Type" not in reply.headers:
        reply.headers["Content-Type"] = "application/json"
    if wanted.get("chunked") and request.version == (1, 1):
        reply.enable_chunked_encoding()
    elif reply.status not in (204, 304):
        reply.content_length = len(data)
    await reply.prepare(request)
    if request.method != "HEAD" and reply.status not in (204, 304):
        for start in range(0, len(data), 50_000):
            await reply.write(data[start : start + 50_000])
    await reply.write_eof()
    return reply


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[str]:
    """Answers in JSON what it was asked; ``x-reply`` says how."""
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{rest:.*}", _echo)
    async with _served(app) as url:
        yield url


@contextlib.asynccontextmanager
async def serving(*routes: web.RouteDef) -> AsyncIterator[str]:
    """A server of these routes."""
    app = web.Application()
    app.add_routes(routes)
    async with _served(app) as url:
        yield url


@contextlib.asynccontextmanager
async def _served(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


# ---- An Immich that says each byte itself

Script = Callable[[Wire, int], Awaitable[None]]
"""What it does with a connection, which is the so-manieth."""


@contextlib.asynccontextmanager
async def scripted(script: Script, port: int = 0) -> AsyncIterator[str]:
    """A server that follows a script with every connection."""
    numbers = iter(range(1000))
    failures: list[Exception] = []
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(Wire(reader, writer), next(numbers))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except Exception as error:  # noqa: BLE001  # it fails the test below
            failures.append(error)
        finally:
            writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert not failures


async def head_of(one: Wire) -> str:
    """The head of the next request."""
    return (await one.reader.readuntil(b"\r\n\r\n")).decode("latin-1")


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A reply with its length."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(pieces: Iterable[bytes]) -> bytes:
    """A body in chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))

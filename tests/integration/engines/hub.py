"""A hub on a real socket of loopback: it serves files well or badly, as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

RANGE = re.compile(r"bytes=(\d+)-")
PIECE = 16 * 1024


@dataclass(frozen=True)
class Offer:
    """How one request for a path is answered.

    A body of which only ``sends`` bytes go out is then cut off, once the caller has written what it
    got, or it ``stalls`` until the hub is told to go on. ``says`` are headers beside, or instead
    of, the usual ones.
    """

    data: bytes = b""
    status: int = 200
    ranges: bool = True
    sends: int | None = None
    stalls: bool = False
    chunked: bool = False
    says: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Got:
    """A request as it came; names of headers are in lower case."""

    path: str
    headers: Mapping[str, str]

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


class Hub:
    """``offers`` has for each path what its requests get, one after the other; the last stays."""

    def __init__(self) -> None:
        self.url = ""
        self.offers: dict[str, list[Offer]] = {}
        self.got: list[Got] = []
        self.stalled = asyncio.Event()
        self.go_on = asyncio.Event()
        self._written = 0
        self._told = asyncio.Event()

    def offer(self, path: str, *offers: Offer) -> str:
        """Answer requests for the path like this; returns its address."""
        self.offers[path] = list(offers)
        return self.url + path

    def asked(self, path: str) -> list[Got]:
        """The requests for a path."""
        return [got for got in self.got if got.path == path]

    def written(self, count: int) -> None:
        """The caller says that so many bytes of the file are safe."""
        self._written = count
        self._told.set()

    async def until_written(self, count: int) -> None:
        """Return when the caller has said so."""
        while self._written < count:
            self._told.clear()
            await self._told.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with (
            contextlib.closing(writer),
            contextlib.suppress(ConnectionError, asyncio.IncompleteReadError),
        ):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                request, *lines = head.strip().split("\r\n")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
                self.got.append(Got(request.split()[1], headers))
                if not await self._answer(self.got[-1], writer):
                    break

    async def _answer(self, got: Got, writer: asyncio.StreamWriter) -> bool:
        """Whether the reply was sent to its end."""
        offers = self.offers.get(got.path.partition("?")[0], [Offer(status=404)])
        offer = offers.pop(0) if len(offers) > 1 else offers[0]
        status, begin, headers, body = _reply(offer, got)
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in {**headers, **offer.says}.items() if value]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        chunked = "Transfer-Encoding" in headers
        now = len(body) if offer.sends is None else offer.sends
        await _send(writer, body[:now], chunked=chunked)
        if now < len(body):
            if not offer.stalls:
                await self.until_written(begin + now)
                return False
            self.stalled.set()
            await self.go_on.wait()
            await _send(writer, body[now:], chunked=chunked)
        if chunked:
            writer.write(b"0\r\n\r\n")
        return True


def _reply(offer: Offer, got: Got) -> tuple[int, int, dict[str, str], bytes]:
    """Status, first byte, usual headers, and the body."""
    size, found = len(offer.data), RANGE.fullmatch(got.range or "")
    same = got.headers.get("if-range") in (None, offer.says.get("ETag"))
    whole = found is None or not offer.ranges or not same or offer.status != HTTPStatus.OK
    begin = 0 if found is None or whole else int(found[1])
    if begin and begin >= size:
        return 416, 0, {"Content-Range": f"bytes */{size}", "Content-Length": "4"}, b"none"
    body = offer.data[begin:]
    length = {"Content-Length": str(len(body))}
    if offer.chunked:
        length = {"Transfer-Encoding": "chunked"}
    if whole:
        return offer.status, 0, length, body
    return 206, begin, {**length, "Content-Range": f"bytes {begin}-{size - 1}/{size}"}, body


async def _send(writer: asyncio.StreamWriter, body: bytes, *, chunked: bool) -> None:
    for begin in range(0, len(body), PIECE):
        piece = body[begin : begin + PIECE]
        if chunked:
            piece = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
        writer.write(piece)
        await writer.drain()


@contextlib.asynccontextmanager
async def a_hub() -> AsyncIterator[Hub]:
    """A hub that has nothing yet."""
    hub, tasks = Hub(), set[asyncio.Task[None]]()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await hub._serve(reader, writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    hub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield hub
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

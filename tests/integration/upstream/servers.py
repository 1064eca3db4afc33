"""Servers that speak the two protocols, record what they get, and answer as they are told."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from immich_aio.services.http.uploads import Upload
from tests.integration.services.live import live

RECEIPT = (Path(__file__).parents[3] / "samples" / "receipt.jpg").read_bytes()
SIZE = (864, 1280)
"""Width and height of the receipt."""


@dataclass(frozen=True)
class Answer:
    """What a server answers; a body cut off says that more was to come."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    cut_off: bool = False


def answer(value: object, status: int = 200) -> Answer:
    """JSON, with spaces that nobody would write again the same way."""
    return Answer(status, json.dumps(value, indent=3).encode())


@dataclass(frozen=True)
class Got:
    """A request as it came, and the parts of its form."""

    headers: Mapping[str, str]
    body: bytes
    parts: Mapping[str, bytes]
    filenames: Mapping[str, str | None]


class Server:
    """Answers every POST; while ``held`` it reads the request and then keeps its caller waiting."""

    def __init__(self, path: str, reply: Answer | None = None, *, held: bool = False) -> None:
        self.url = ""
        self.reply = reply or Answer()
        self.held = held
        self.got: list[Got] = []
        self.arrived: asyncio.Queue[bytes] = asyncio.Queue()
        """Every piece of a body, as soon as it is here."""
        self.may_answer = asyncio.Event()
        """While it is not set, answers wait for it; it is, unless a test clears it."""
        self.may_answer.set()
        self.waiting = asyncio.Event()
        self.left = asyncio.Event()
        """The caller has hung up."""
        self.app = Starlette(routes=[Route(path, self._answer, methods=["POST"])])

    async def _answer(self, request: Request) -> Response:
        try:
            body = b"".join([self._noted(chunk) async for chunk in request.stream()])
        except ClientDisconnect:
            self.left.set()
            return Response()
        self.got.append(await _read(request, body))
        if self.held:
            self.waiting.set()
            while (await request.receive())["type"] != "http.disconnect":
                pass
            self.left.set()
        await self.may_answer.wait()
        return self._reply(request)

    def _noted(self, chunk: bytes) -> bytes:
        if chunk:
            self.arrived.put_nowait(chunk)
        return chunk

    def _reply(self, request: Request) -> Response:
        body, headers = self.reply.body, dict(self.reply.headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
        if self.reply.cut_off:
            headers["Content-Length"] = str(len(body) + 1000)
            return StreamingResponse(_broken(body), self.reply.status, headers)
        return Response(body, self.reply.status, headers)


async def _broken(body: bytes) -> AsyncIterator[bytes]:
    yield body
    raise ConnectionResetError


async def _read(request: Request, body: bytes) -> Got:
    """The form, if it is one, read by our own reader, which has tests of its own."""
    if not request.headers.get("content-type", "").startswith("multipart/"):
        return Got(dict(request.headers), body, {}, {})

    async def again() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    parts = await Upload(Request(request.scope, again), 10**9).read_all()
    return Got(
        dict(request.headers),
        body,
        {name: bytes(part.data) for name, part in parts.items()},
        {name: part.filename for name, part in parts.items()},
    )


@contextlib.asynccontextmanager
async def immich_ml(reply: Answer | None = None, *, held: bool = False) -> AsyncIterator[Server]:
    """A server in the place of Immich's machine learning; ``url`` says where."""
    server = Server("/predict", reply, held=held)
    async with live(server.app) as server.url:
        yield server


@contextlib.asynccontextmanager
async def mt_photos(
    reply: Answer | None = None, *, held: bool = False, path: str = "/ocr"
) -> AsyncIterator[Server]:
    """A server in the place of an MT-Photos AI server; ``url`` says where."""
    server = Server(path, reply, held=held)
    async with live(server.app) as server.url:
        yield server

"""Apps on real sockets of loopback, callers of them, and an engine that does as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np
import uvicorn
from numpy.typing import NDArray
from starlette.types import ASGIApp

from immich_aio.domain.clip_models import ClipModel
from immich_aio.domain.geometry import Quad, Rect
from immich_aio.domain.results import (
    ClipTimings,
    Embedding,
    Face,
    FacesResult,
    FacesTimings,
    OcrResult,
    OcrTimings,
    TextLine,
)
from immich_aio.domain.tasks import OcrOptions
from immich_aio.engines.protocol import EngineHealth
from immich_aio.services.http.protocol import protocol_of

BOUNDARY = "a-boundary"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"

RESULT = OcrResult(
    (
        TextLine("发票 Invoice", Quad(((10, 20), (110, 20), (110, 40), (10, 40))), 0.75, 0.9),
        TextLine("合计", Quad(((10, 50), (60, 52), (59, 72), (9, 70))), 0.5, 0.625),
    ),
    width=200,
    height=100,
    timings=OcrTimings(queue=1, decode=2, detect=3, recognise=4),
)


class EngineDouble:
    """An engine that answers ``result`` or raises it; while ``held`` it waits, and tells who went.

    It stands in for OCR only where a test needs an engine to stop or to fail at a given moment.
    """

    def __init__(self, result: OcrResult | BaseException = RESULT, *, held: bool = False) -> None:
        self.result = result
        self.began = asyncio.Event()
        self.let_go = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.images: list[bytes] = []
        self.options: list[OcrOptions] = []
        self.released = 0
        self.failure_to_load: Exception | None = None
        if not held:
            self.let_go.set()

    async def read(self, image_file: bytes, options: OcrOptions) -> OcrResult:
        self.images.append(image_file)
        self.options.append(options)
        self.began.set()
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result

    async def warm_up(self) -> None:
        if self.failure_to_load is not None:
            raise self.failure_to_load

    async def release(self) -> None:
        self.released += 1

    def health(self) -> EngineHealth:
        waiting = 0 if self.let_go.is_set() else len(self.images)
        return EngineHealth(True, "a double", workers=3, waiting=waiting, running=1)

    async def close(self) -> None:
        """Nothing to close."""


VECTOR = np.full(512, 512**-0.5, np.float32)


class ClipDouble:
    """A CLIP engine that answers ``result`` or raises it.

    It stands in where a test is about who is asked and how failures are said, not about vectors.
    """

    def __init__(
        self, result: NDArray[np.float32] | BaseException = VECTOR, *, dimension: int | None = 512
    ) -> None:
        self.result = result
        self.dimension = dimension
        self.images: list[bytes] = []
        self.texts: list[str] = []
        self.released = 0

    async def encode_image(self, image_file: bytes) -> Embedding:
        self.images.append(image_file)
        return self._embedding(200, 100)

    async def encode_text(self, text: str) -> Embedding:
        self.texts.append(text)
        return self._embedding(None, None)

    def model(self) -> ClipModel:
        return ClipModel("ViT-B-16", self.dimension, "a double")

    async def prepare(self) -> None:
        """Nothing to fetch."""

    async def warm_up(self) -> None:
        """Nothing to load."""

    async def release(self) -> None:
        self.released += 1

    def health(self) -> EngineHealth:
        return EngineHealth(True, "a CLIP double", workers=2, waiting=0, running=0)

    async def close(self) -> None:
        """Nothing to close."""

    def _embedding(self, width: int | None, height: int | None) -> Embedding:
        if isinstance(self.result, BaseException):
            raise self.result
        return Embedding(self.result, width, height, ClipTimings(queue=1, decode=2, encode=3))


FACES = FacesResult(
    (
        Face(Rect(10.25, -3.5, 30.5, 40.75), 0.875, Embedding(VECTOR)),
        Face(Rect(100, 50, 20, 30), 0.75, Embedding(-VECTOR)),
    ),
    width=200,
    height=100,
    timings=FacesTimings(queue=1, decode=2, detect=3, recognise=4),
)


class FacesDouble:
    """A face engine that answers ``result`` or raises it; see ``ClipDouble``."""

    def __init__(
        self, result: FacesResult | BaseException = FACES, name: str = "buffalo_l"
    ) -> None:
        self.result = result
        self.pack = name
        self.images: list[bytes] = []
        self.scores: list[float] = []
        self.released = 0

    async def find_faces(self, image_file: bytes, min_score: float) -> FacesResult:
        self.images.append(image_file)
        self.scores.append(min_score)
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result

    def state(self) -> str:
        return "loaded"

    async def prepare(self) -> None:
        """Nothing to fetch."""

    async def warm_up(self) -> None:
        """Nothing to load."""

    async def release(self) -> None:
        self.released += 1

    def health(self) -> EngineHealth:
        return EngineHealth(True, "a faces double", workers=2, waiting=0, running=0)

    async def close(self) -> None:
        """Nothing to close."""


def _config(app: ASGIApp) -> uvicorn.Config:
    """As the product's, as far as it matters to an app."""
    return uvicorn.Config(
        app, http=protocol_of(app), log_config=None, access_log=False, proxy_headers=False
    )


class _Server(uvicorn.Server):
    """One of several in a test's event loop: it leaves the process's signals alone."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(_config(app))
        self.enough = asyncio.Event()

    async def main_loop(self) -> None:
        """uvicorn's own looks ten times a second whether it should end."""
        await self.enough.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002  # closed by whoever opened them
        """As uvicorn's own, which pauses for a tenth of a second; there are hundreds of tests."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections:  # noqa: ASYNC110  # uvicorn tells nobody of the last
            await asyncio.sleep(0)
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)
        await self.lifespan.shutdown()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def live(app: ASGIApp, port: int = 0) -> AsyncIterator[str]:
    """The app on a free port, or on this one; yields its address without a slash at the end."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen()  # from here on connections wait until they are accepted
        server = _Server(app)
        serving = asyncio.create_task(server.serve([listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.enough.set()
            await serving


@dataclass(frozen=True)
class Reply:
    """A reply that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  # JSON is whatever it is
        return json.loads(self.body)


async def ask(
    url: str, method: str = "GET", *, headers: Mapping[str, str] | None = None, data: object = None
) -> Reply:
    """The reply to one request on a connection of its own."""
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(method, url, headers=headers, data=data) as response,
    ):
        body = await response.read()
        return Reply(response.status, response.headers.copy(), body)


async def send_form(url: str, *, key: str | None = None, **fields: bytes | str) -> Reply:
    """Post a form: bytes as a file, text as a field."""
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        if isinstance(value, bytes):
            form.add_field(name, io.BytesIO(value), filename="blob")
        else:
            form.add_field(name, value)
    return await ask(url, "POST", data=form, headers={} if key is None else {"api-key": key})


def multipart(**fields: bytes | str) -> bytes:
    """A form as it goes over the wire: bytes as a file, text as a field."""
    body = b""
    for name, value in fields.items():
        filename = '; filename="blob"' if isinstance(value, bytes) else ""
        data = value if isinstance(value, bytes) else value.encode()
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def unfinished_file() -> bytes:
    """The beginning of a form whose file is about to come."""
    return multipart(image=b"").removesuffix(f"\r\n--{BOUNDARY}--\r\n".encode())


class Caller:
    """A caller who says each byte himself, and may stop in the middle or hang up."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def begin(self, path: str, length: int | None, **headers: str) -> None:
        """Send the head of a POST; without a ``length`` the body goes in chunks."""
        how = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {MULTIPART}", how]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.say(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def say(self, data: bytes) -> None:
        """Send these bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def say_chunk(self, data: bytes) -> None:
        """Send these bytes as one chunk of a chunked body; none end it."""
        await self.say(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def reply(self) -> Reply:
        """The reply, whose body must have a Content-Length."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.strip().split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
        body = await self._reader.readexactly(int(headers["content-length"]))
        return Reply(int(status.split()[1]), headers, body)

    async def hang_up(self) -> None:
        """Close the connection without a word."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def calling(url: str) -> AsyncIterator[Caller]:
    """A connection to a server."""
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    caller = Caller(*await asyncio.open_connection(host, int(port)))
    try:
        yield caller
    finally:
        await caller.hang_up()

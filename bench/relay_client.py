"""A client that costs little itself: it writes a ready request and looks for the reply's end."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

BOUNDARY = "a-boundary"
CLIP = json.dumps({"clip": {"visual": {"modelName": "ViT-B-32__openai"}}})


@dataclass(frozen=True)
class Took:
    """Requests a second, and the median time of one in milliseconds."""

    rate: float
    p50_ms: float


def clip_request(size: int) -> bytes:
    """What Immich sends for a photo's vector, with a file of that many bytes."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="entries"\r\n\r\n{CLIP}\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="blob"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return _request("/predict", head.encode() + b"\xff" * size + f"\r\n--{BOUNDARY}--\r\n".encode())


def file_request(path: str, key: str, file: bytes) -> bytes:
    """What MT-Photos sends for a photo."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = head.encode() + file + f"\r\n--{BOUNDARY}--\r\n".encode()
    return _request(path, body, f"api-key: {key}\r\n")


def json_request(path: str, key: str, content: object) -> bytes:
    """What MT-Photos sends for a text."""
    lines = f"api-key: {key}\r\nContent-Type: application/json\r\n"
    return _request(path, json.dumps(content).encode(), lines, form=False)


def predict_request(entries: object, file: bytes) -> bytes:
    """What Immich sends for any task."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="entries"\r\n\r\n'
        f'{json.dumps(entries)}\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; '
        'filename="blob"\r\n\r\n'
    )
    return _request("/predict", head.encode() + file + f"\r\n--{BOUNDARY}--\r\n".encode())


def _request(path: str, body: bytes, headers: str = "", *, form: bool = True) -> bytes:
    kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n" if form else ""
    lines = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\n{headers}Content-Length: {len(body)}\r\n{kind}\r\n"
    )
    return lines.encode() + body


class Connection(asyncio.Protocol):
    """One kept-alive connection; ``ask`` is for one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._came = b""

    @classmethod
    async def to(cls, url: str) -> Connection:
        """Connect to a server."""
        parts = urlsplit(url)
        _, made = await asyncio.get_running_loop().create_connection(
            cls, parts.hostname, parts.port
        )
        return made

    async def ask(self, request: bytes) -> bytes:
        """The body of the reply, whose status must be 200."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Hang up."""
        assert self._transport is not None
        self._transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See ``asyncio.Protocol``."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        self._came += data
        head, end, body = self._came.partition(b"\r\n\r\n")
        if not end or self._answer is None:
            return
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(body) >= length:
            self._came = b""
            if head.startswith(b"HTTP/1.1 200"):
                self._answer.set_result(body)
            else:
                self._answer.set_exception(RuntimeError(f"{head[:40]!r} {body[:300]!r}"))

    def connection_lost(self, error: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("the server hung up"))


async def took(url: str, requests: Sequence[bytes], clients: int, total: int) -> Took:
    """Send so many requests in turn, from so many clients at once."""
    times: list[float] = []
    numbers = iter(range(total))

    async def one() -> None:
        connection = await Connection.to(url)
        for number in numbers:
            began = time.perf_counter()
            await connection.ask(requests[number % len(requests)])
            times.append(time.perf_counter() - began)
        connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(clients)))
    return Took(total / (time.perf_counter() - began), statistics.median(times) * 1e3)


async def until_it_answers(url: str, request: bytes, seconds: float = 30) -> None:
    """Wait for a server that starts."""
    end = time.monotonic() + seconds
    while True:
        try:
            await (await Connection.to(url)).ask(request)
        except OSError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.1)
        else:
            return

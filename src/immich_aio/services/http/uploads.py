"""Reading multipart uploads piece by piece, with a limit that holds while they arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from immich_aio.errors import BadInputError, CancelledWorkError, TooLargeError

if TYPE_CHECKING:  # it exists for type checkers only
    from python_multipart.multipart import MultipartCallbacks

MAX_PARTS = 32
MAX_JSON = 1024 * 1024
"""Bytes of the largest body that is no upload: a text to search for."""

OVERHEAD = 64 * 1024
"""Bytes that headers and small fields may add to the largest file."""


@dataclass(slots=True)
class Part:
    """One field of a form; a file where ``filename`` is not None."""

    name: str
    filename: str | None
    data: bytearray = field(default_factory=bytearray)
    complete: bool = False


class Upload:
    """A multipart body, parsed as it arrives.

    ``chunks`` keeps the body as it came for whoever relays it, if ``keep_body`` is set.
    """

    def __init__(self, request: Request, max_bytes: int, *, keep_body: bool = False) -> None:
        self._request = request
        self._stream = request.stream()
        self._limit = max_bytes + OVERHEAD
        self._seen = 0
        self._keep = keep_body
        self.chunks: list[bytes] = []
        self.parts: dict[str, Part] = {}
        self.finished = False
        self._parser = _parser(_boundary(request), self.parts)
        self._refuse_declared_size()

    async def read_all(self) -> dict[str, Part]:
        """The whole form. Raises BadInputError, TooLargeError, or CancelledWorkError."""
        await self.read_until(lambda: False)
        return self.parts

    async def read_until(self, enough: Callable[[], bool]) -> None:
        """Read on until ``enough()`` or the end of the body."""
        while not self.finished and not enough():
            chunk = await self._next_chunk()
            if chunk is None:
                self._finish()
                return
            self._feed(chunk)

    async def rest(self) -> AsyncIterator[bytes]:
        """The body as it came: what was kept, then what still arrives."""
        while self.chunks:
            yield self.chunks.pop(0)
        while not self.finished:
            chunk = await self._next_chunk()
            if chunk is None:
                self.finished = True
                return
            yield chunk

    def _refuse_declared_size(self) -> None:
        if _declared_size(self._request) > self._limit:
            raise self._too_large()

    async def _next_chunk(self) -> bytes | None:
        try:
            chunk = await anext(self._stream, None)
        except ClientDisconnect:
            raise CancelledWorkError from None
        self._seen += len(chunk or b"")
        if self._seen > self._limit:
            raise self._too_large()
        return chunk

    def _feed(self, chunk: bytes) -> None:
        if self._keep:
            self.chunks.append(chunk)
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise BadInputError(f"The multipart body is malformed: {error}.") from None

    def _finish(self) -> None:
        self.finished = True
        if any(not part.complete for part in self.parts.values()):
            raise BadInputError("The multipart body ends in the middle of a part.")

    def _too_large(self) -> TooLargeError:
        limit = (self._limit - OVERHEAD) // (1024 * 1024)
        return TooLargeError(
            f"The upload is over the limit of {limit} MiB; raise MAX_UPLOAD_MB to let it pass."
        )


async def read_json_body(request: Request) -> bytes:
    """A body that is no form. Raises TooLargeError or CancelledWorkError."""
    body = bytearray()
    if _declared_size(request) <= MAX_JSON:
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_JSON:
                    break
            else:
                return bytes(body)
        except ClientDisconnect:
            raise CancelledWorkError from None
    raise TooLargeError(f"The body is over the limit of {MAX_JSON // 1024} KiB.")


def _declared_size(request: Request) -> int:
    declared = request.headers.get("content-length", "0")
    return int(declared) if declared.isdigit() else 0


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise BadInputError("Send the request as multipart/form-data.")
    return boundary


def _parser(boundary: bytes, parts: dict[str, Part]) -> MultipartParser:
    try:
        return MultipartParser(boundary, _callbacks(parts))
    except FormParserError as error:
        raise BadInputError(f"The multipart body is malformed: {error}.") from None


def _callbacks(parts: dict[str, Part]) -> MultipartCallbacks:
    """What the parser calls; a part enters ``parts`` when its headers are complete."""
    name, value = bytearray(), bytearray()
    headers: dict[bytes, bytes] = {}
    current: list[Part] = []

    def on_part_begin() -> None:
        headers.clear()
        name.clear()
        value.clear()

    def on_header_end() -> None:
        headers[bytes(name).lower()] = bytes(value)
        name.clear()
        value.clear()

    def on_headers_finished() -> None:
        part = _part_of(headers)
        if part.name in parts:
            raise BadInputError(f"The form has the field '{part.name}' twice.")
        if len(parts) >= MAX_PARTS:
            raise BadInputError(f"The form has more than {MAX_PARTS} fields.")
        parts[part.name] = part
        current[:] = [part]

    def on_part_end() -> None:
        current[0].complete = True

    return {
        "on_part_begin": on_part_begin,
        "on_header_field": lambda data, start, end: name.extend(data[start:end]),
        "on_header_value": lambda data, start, end: value.extend(data[start:end]),
        "on_header_end": on_header_end,
        "on_headers_finished": on_headers_finished,
        "on_part_data": lambda data, start, end: current[0].data.extend(
            memoryview(data)[start:end]
        ),
        "on_part_end": on_part_end,
    }


def _part_of(headers: dict[bytes, bytes]) -> Part:
    _, options = parse_options_header(headers.get(b"content-disposition", b""))
    name, filename = options.get(b"name"), options.get(b"filename")
    if not name:
        raise BadInputError("A part of the form has no name.")
    return Part(
        name.decode("utf-8", "replace"),
        None if filename is None else filename.decode("utf-8", "replace"),
    )

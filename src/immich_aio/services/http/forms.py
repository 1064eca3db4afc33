"""A multipart form, parsed piece by piece."""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from immich_aio.errors import BadInputError, TooLargeError

if TYPE_CHECKING:  # it exists for type checkers only
    from python_multipart.multipart import MultipartCallbacks

MAX_PARTS = 32
MAX_FIELD = 64 * 1024
"""Bytes of a field of which it is known that it is small."""


@dataclass(slots=True)
class Part:
    """One field of a form; a file where ``filename`` is not None."""

    name: str
    filename: str | None
    data: bytearray = field(default_factory=bytearray)
    complete: bool = False


class _EnoughError(Exception):
    """Ends the parser's work where it is: more is not wanted."""


class Form:
    """A form of which ``parts`` holds what has come so far.

    Fields named in ``small`` may have 64 KiB. With ``only`` one field is wanted: the data of others
    is passed over, so that it takes no memory, and what comes after it is not looked at.
    """

    def __init__(
        self, content_type: str, *, small: Collection[str] = (), only: str | None = None
    ) -> None:
        self.parts: dict[str, Part] = {}
        callbacks = _callbacks(_Parts(self.parts, small, only))
        try:
            self._parser = MultipartParser(_boundary(content_type), callbacks)
        except FormParserError as error:
            raise _malformed(error) from None

    def feed(self, chunk: bytes) -> None:
        """Parse on. Raises BadInputError or TooLargeError."""
        try:
            self._parser.write(chunk)
        except _EnoughError:
            pass
        except MultipartParseError as error:
            raise _malformed(error) from None

    def finish(self) -> None:
        """The body has ended. Raises BadInputError where the form has not."""
        if any(not part.complete for part in self.parts.values()):
            raise BadInputError("The multipart body ends in the middle of a part.")

    def has(self, name: str) -> bool:
        """Whether a field has come to its end."""
        return name in self.parts and self.parts[name].complete


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the parser fills. It knows nothing of the form, which would hold itself in memory."""

    parts: dict[str, Part]
    small: Collection[str]
    only: str | None

    def add(self, part: Part) -> Part:
        if part.name in self.parts:
            raise BadInputError(f"The form has the field '{part.name}' twice.")
        if len(self.parts) >= MAX_PARTS:
            raise BadInputError(f"The form has more than {MAX_PARTS} fields.")
        self.parts[part.name] = part
        return part

    def extend(self, part: Part, data: memoryview) -> None:
        if part.name in self.small and len(part.data) + len(data) > MAX_FIELD:
            limit = MAX_FIELD // 1024
            raise TooLargeError(f"The field '{part.name}' is over the limit of {limit} KiB.")
        if self.only in (None, part.name):
            part.data.extend(data)

    def end(self, part: Part) -> None:
        part.complete = True
        if part.name == self.only:
            raise _EnoughError


def _callbacks(parts: _Parts) -> MultipartCallbacks:
    """What the parser calls; a part is added when its headers are complete."""
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
        current[:] = [parts.add(_part_of(headers))]

    return {
        "on_part_begin": on_part_begin,
        "on_header_field": lambda data, start, end: name.extend(data[start:end]),
        "on_header_value": lambda data, start, end: value.extend(data[start:end]),
        "on_header_end": on_header_end,
        "on_headers_finished": on_headers_finished,
        "on_part_data": lambda data, start, end: parts.extend(
            current[0], memoryview(data)[start:end]
        ),
        "on_part_end": lambda: parts.end(current[0]),
    }


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise BadInputError("Send the request as multipart/form-data.")
    return boundary


def _part_of(headers: dict[bytes, bytes]) -> Part:
    name, filename = _names(headers.get(b"content-disposition", b""))
    if not name:
        raise BadInputError("A part of the form has no name.")
    return Part(name, filename)


@functools.lru_cache(maxsize=64)
def _names(disposition: bytes) -> tuple[str | None, str | None]:
    """The field's name and the file's; every photo comes under the same two."""
    _, options = parse_options_header(disposition)
    name, filename = options.get(b"name"), options.get(b"filename")
    return (
        None if name is None else name.decode("utf-8", "replace"),
        None if filename is None else filename.decode("utf-8", "replace"),
    )


def _malformed(error: Exception) -> BadInputError:
    return BadInputError(f"The multipart body is malformed: {error}.")

"""Reading uploads piece by piece, with a limit that holds while they arrive."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request

from immich_aio.errors import CancelledWorkError, TooLargeError
from immich_aio.services.http.forms import Form, Part

MAX_JSON = 1024 * 1024
"""Bytes of the largest body that is no upload: a text to search for."""

OVERHEAD = 64 * 1024
"""Bytes that headers and small fields may add to the largest file."""


class Incoming:
    """A body as it arrives, of which the largest file may have ``max_bytes``.

    Raises TooLargeError at once where too much is declared.
    """

    def __init__(self, request: Request, max_bytes: int) -> None:
        self._receive = request.receive
        self._limit = max_bytes + OVERHEAD
        self._seen = 0
        self.declared = declared_size(request)
        """Bytes, as the caller says; 0 where it does not."""
        self.finished = False
        if self.declared > self._limit:
            raise self._too_large()

    async def next_chunk(self) -> bytes:
        """What comes next, which may be nothing; ``finished`` says whether it was the last.

        Whoever is cancelled here loses nothing. Raises TooLargeError or CancelledWorkError.
        """
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise CancelledWorkError
        chunk: bytes = message.get("body", b"")
        self._seen += len(chunk)
        if self._seen > self._limit:
            raise self._too_large()
        self.finished = not message.get("more_body", False)
        return chunk

    def _too_large(self) -> TooLargeError:
        limit = (self._limit - OVERHEAD) // (1024 * 1024)
        return TooLargeError(
            f"The upload is over the limit of {limit} MiB; raise MAX_UPLOAD_MB to let it pass."
        )


class Upload:
    """A multipart body, parsed as it arrives."""

    def __init__(self, request: Request, max_bytes: int) -> None:
        self._form = Form(request.headers.get("content-type", ""))
        self._incoming = Incoming(request, max_bytes)

    @property
    def parts(self) -> dict[str, Part]:
        """What has come so far."""
        return self._form.parts

    async def read_all(self) -> dict[str, Part]:
        """The whole form. Raises BadInputError, TooLargeError, or CancelledWorkError."""
        await self.read_until(lambda: False)
        return self.parts

    async def read_until(self, enough: Callable[[], bool]) -> None:
        """Read on until ``enough()`` or the end of the body."""
        while not enough():
            if self._incoming.finished:
                self._form.finish()
                return
            self._form.feed(await self._incoming.next_chunk())


async def read_json_body(request: Request) -> bytes:
    """A body that is no form. Raises TooLargeError or CancelledWorkError."""
    body = bytearray()
    if declared_size(request) <= MAX_JSON:
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


def declared_size(request: Request) -> int:
    """The Content-Length; 0 where there is none."""
    declared = request.headers.get("content-length", "0")
    return int(declared) if declared.isdecimal() else 0

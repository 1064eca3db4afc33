"""The body of ``/predict``: taken in, kept so that it can be sent as often as need be, taken apart.

Small ones are read to their end before anything is done with them, so that no slow caller keeps a
backend waiting. Large ones go on to the backend while they still arrive.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence

from starlette.requests import Request

from immich_aio.errors import AioError, UnprocessableError
from immich_aio.services.gateway.spool import Blob
from immich_aio.services.http.forms import Form, Part
from immich_aio.services.http.uploads import Incoming

SMALL = ("entries", "text")
"""Fields of which it is known that they are small."""

LARGE = 1024 * 1024
"""Bytes from which a body goes on while it still arrives."""


class Body:
    """One request's body, kept in ``blob``, which whoever made that closes."""

    def __init__(self, request: Request, max_bytes: int, blob: Blob) -> None:
        self.kind = request.headers.get("content-type", "")
        self._incoming = Incoming(request, max_bytes)
        self._blob = blob
        self._settling = asyncio.Lock()
        self.arrived = asyncio.Event()
        """All of it is here."""
        self.failure: AioError | None = None
        """Why no more came: an HTTP client that sends it on reports only that it could not."""
        self.when_arrived: Callable[[], None] | None = None
        """Called once all of it is here."""

    @property
    def size(self) -> int | None:
        """Its bytes, if that is known."""
        return self._blob.size if self.arrived.is_set() else self._incoming.declared or None

    @property
    def is_large(self) -> bool:
        """Whether it goes on while it still arrives."""
        return not self.arrived.is_set() and (self.size is None or self.size > LARGE)

    @property
    def is_in_memory(self) -> bool:
        """Whether nothing of it is on disk."""
        return self._blob.pieces is not None

    async def entries(self) -> bytes:
        """What is asked, which is read no further than need be.

        Raises UnprocessableError where nothing is, BadInputError, TooLargeError, or
        CancelledWorkError.
        """
        form = Form(self.kind, small=("entries",), only="entries")
        while not form.has("entries"):
            if self.arrived.is_set():
                form.finish()
                raise UnprocessableError("The field 'entries' is missing.")
            form.feed(await self._next())
        return bytes(form.parts["entries"].data)

    async def read(self) -> None:
        """Take in the rest. Raises TooLargeError, SpillError or CancelledWorkError."""
        while not self.arrived.is_set():
            await self._next()

    async def parts(self) -> dict[str, Part]:
        """Its fields, once all of it is here. Raises BadInputError or TooLargeError."""
        return await self._parsed(Form(self.kind, small=SMALL))

    async def names(self) -> Collection[str]:
        """The names of its fields, once all of it is here. Raises as ``parts``."""
        return await self._parsed(Form(self.kind, small=SMALL, only=""))

    async def _parsed(self, form: Form) -> dict[str, Part]:
        async for chunk in self._kept():
            form.feed(chunk)
        form.finish()
        return form.parts

    def as_it_came(self) -> Sequence[bytes] | AsyncIterator[bytes]:
        """All of it, to be sent on; again and again, but once at a time.

        In pieces where it is in memory, which a caller who gives up leaves as they are.
        """
        pieces = self._blob.pieces
        if self.arrived.is_set() and pieces is not None:
            return tuple(pieces)
        return self._stream()

    async def _stream(self) -> AsyncIterator[bytes]:
        async for chunk in self._kept():
            yield chunk
        try:
            while not self.arrived.is_set():
                yield await self._next()
        except AioError as error:
            self.failure = error
            raise

    async def _kept(self) -> AsyncIterator[bytes]:
        async with self._settling:  # one who was cancelled may still be writing
            pass
        async for chunk in self._blob.chunks():
            yield chunk

    async def _next(self) -> bytes:
        chunk = await self._incoming.next_chunk()
        self._blob.add(chunk)
        if self._incoming.finished:
            self._has_arrived()
        if self._blob.is_large:
            async with self._settling:
                await self._blob.settle()
        return chunk

    def _has_arrived(self) -> None:
        self.arrived.set()
        if self.when_arrived is not None:
            self.when_arrived()

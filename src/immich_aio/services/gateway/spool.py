"""Where bodies are kept while they are relayed or wait: in memory, and beyond a size on disk.

A file is unlinked as soon as it is made, so that nothing is left of it, however the process ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from immich_aio.errors import SpillError

log = logging.getLogger(__name__)

IN_MEMORY = 1024 * 1024
"""Bytes of one body that are kept in memory: Immich's previews are smaller."""

TRY_AGAIN = 5.0
"""Seconds after which a disk that took nothing is tried again."""

PIECE = 256 * 1024
"""Bytes that are written or read at once."""


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """Bytes that all bodies together may take in ``memory`` and on ``disk``, in which folder."""

    memory: int = 256 * 1024 * 1024
    disk: int = 4096 * 1024 * 1024
    folder: Path | None = None
    in_memory: int = IN_MEMORY


class Spool:
    """Counts what all bodies take, and says where there is room."""

    def __init__(self, limits: SpoolLimits) -> None:
        self.limits = limits
        self.folder = limits.folder or Path(tempfile.gettempdir())
        self.memory = 0
        """Bytes that are in memory."""
        self.disk = 0
        """Bytes that are on disk."""
        self.failure = ""
        """Why the disk takes nothing, in words for people; empty while it does."""
        self._tried = 0.0

    def blob(self) -> Blob:
        """A place for one body."""
        return Blob(self)

    @property
    def is_worth_a_try(self) -> bool:
        """Whether the disk takes something, as far as is known."""
        return not self.failure or monotonic() - self._tried > TRY_AGAIN

    def note(self, failure: str) -> None:
        """Say once that the disk takes nothing, and once that it does again."""
        if failure and not self.failure:
            log.error("%s", failure)
        elif self.failure and not failure:
            log.info("uploads that wait can be kept in %s again", self.folder)
        self.failure, self._tried = failure, monotonic()


class Blob:
    """One body: a beginning that is on disk, if any, and the rest in memory."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._file: _File | None = None
        self._on_disk = 0
        self._rest: list[bytes] = []
        self._in_memory = 0
        self._closed = False

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._on_disk + self._in_memory

    @property
    def is_large(self) -> bool:
        """Whether it is more than is to be kept in memory; then ``settle`` it."""
        most = PIECE if self._file else self._spool.limits.in_memory
        if self._spool.memory > self._spool.limits.memory:
            return True
        return self._in_memory > most and self._spool.is_worth_a_try

    def add(self, chunk: bytes) -> None:
        """Append; call ``settle`` afterwards if ``is_large``."""
        self._rest.append(chunk)
        self._in_memory += len(chunk)
        self._spool.memory += len(chunk)

    async def settle(self) -> None:
        """Move to disk what is in memory.

        Where the disk takes nothing it stays there, as long as there is room for it. Raises
        SpillError where there is none.
        """
        failure = await self._write()
        self._spool.note(failure)
        if failure and self._spool.memory > self._spool.limits.memory:
            raise SpillError(failure)

    @property
    def pieces(self) -> list[bytes] | None:
        """All of it, if it is in memory."""
        return None if self._file else self._rest

    async def chunks(self) -> AsyncIterator[bytes]:
        """All of it from the beginning; nothing may be added meanwhile."""
        file = self._file
        if file is not None:
            for start in range(0, self._on_disk, PIECE):
                length = min(PIECE, self._on_disk - start)
                yield await asyncio.to_thread(file.read, length, start)
        for chunk in self._rest:
            yield chunk

    def close(self) -> None:
        """Give back what it takes; it is empty then."""
        self._spool.memory -= self._in_memory
        self._spool.disk -= self._on_disk
        self._in_memory = self._on_disk = 0
        self._rest, self._file, self._closed = [], None, True

    async def _write(self) -> str:
        """Move the rest to disk; why that could not be, or nothing."""
        spool, data = self._spool, b"".join(self._rest)
        if spool.disk + len(data) > spool.limits.disk:
            taken = spool.disk // 2**20
            return (
                f"Uploads that wait take {taken} MiB in {spool.folder} already; raise SPILL_MB to "
                "let them take more."
            )
        spool.disk += len(data)  # counted at once, for others write meanwhile
        written = False
        try:
            file = self._file
            if file is None:
                file = await asyncio.to_thread(_File, spool.folder)
            await asyncio.to_thread(file.write, data, self._on_disk)
            written = not self._closed
        except OSError as error:
            return (
                f"Uploads that wait cannot be kept in {spool.folder}: {error.strerror or error}. "
                "Free some space there, or set SPILL_FOLDER."
            )
        finally:
            if not written:
                spool.disk -= len(data)
        if written:
            self._file = file
            self._on_disk += len(data)
            self._rest, self._in_memory = [], 0
            spool.memory -= len(data)
        return ""


class _File:
    """A file without a name. It is closed when nobody holds it any more, for a thread may still
    be writing when its body is given up.
    """

    _number: int | None = None

    def __init__(self, folder: Path) -> None:
        self._number, name = tempfile.mkstemp(prefix="immich-aio-", dir=folder)
        os.unlink(name)  # noqa: PTH108  # it is a name as the system gave it

    def __del__(self) -> None:
        if self._number is not None:  # else it could not be made
            os.close(self._number)

    def write(self, data: bytes, place: int) -> None:
        assert self._number is not None  # noqa: S101  # it was made
        view = memoryview(data)
        while view:
            count = os.pwrite(self._number, view, place)
            view, place = view[count:], place + count

    def read(self, length: int, place: int) -> bytes:
        assert self._number is not None  # noqa: S101  # it was made
        return os.pread(self._number, length, place)

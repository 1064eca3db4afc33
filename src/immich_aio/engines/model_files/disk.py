"""File work off the event loop, between processes, and with errors that say which file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from filelock import FileLock, Timeout

from immich_aio.errors import UnavailableError

Given = ParamSpec("Given")
Result = TypeVar("Result")


class DiskThread:
    """Does one thing after the other, off the event loop.

    What a cancelled caller had begun is over before ``finish`` does the last thing, so no file is
    closed and no lock given back under a write.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "model-files")

    async def run(
        self, do: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
    ) -> Result:
        """The result of ``do``."""
        future = self._executor.submit(do, *given, **named)
        return await asyncio.wrap_future(future)

    async def finish(self, do: Callable[[], None]) -> None:
        """Do the last thing and end the thread, even when the caller is cancelled once more."""
        future = self._executor.submit(do)
        self._executor.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(future))


class Lock:
    """Held by one process at a time. The kernel takes it from a process that dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path)

    def taken(self) -> bool:
        """Take it if it is free; says whether it is ours now. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        return True

    def give_back(self) -> None:
        """Leave no file behind: who waits for the lock notices, and makes a new one."""
        if self._lock.is_locked:
            with contextlib.suppress(OSError):
                self._path.unlink()
            self._lock.release()


@contextlib.contextmanager
def telling(path: Path) -> Iterator[None]:
    """Whatever the system refuses within, as an UnavailableError that names the file."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(f"{error.filename or path}: {error.strerror or error}.") from None


def size_of(path: Path) -> int | None:
    """The file's size in bytes, or None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def sync_folder(folder: Path) -> None:
    """Have the folder's entries survive a power failure, where the system can promise that."""
    with contextlib.suppress(OSError):  # Windows and some network disks cannot
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

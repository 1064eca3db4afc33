"""One file from the first address that gives it whole: resumed, checked, and then there at once.

Several processes may want the same file: one fetches, the others wait for its lock. The kernel
takes the lock from a process that dies, and the next goes on from the part that it left.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp

from immich_aio.engines.model_files.catalogue import RemoteFile
from immich_aio.engines.model_files.connection import Timeouts, open_session, seam
from immich_aio.engines.model_files.disk import DiskThread, Given, Lock, Result, size_of
from immich_aio.engines.model_files.exchange import (
    Body,
    Origin,
    SourceError,
    StartOverError,
    check_announced,
    linked_sha256,
    range_headers,
    read_reply,
    strong_etag,
)
from immich_aio.engines.model_files.hashes import BLOCK
from immich_aio.engines.model_files.part import PartFile
from immich_aio.engines.model_files.places import Places
from immich_aio.engines.model_files.progress import Progress, Report
from immich_aio.engines.model_files.sources import shown
from immich_aio.errors import CancelledWorkError, ModelFetchError

log = logging.getLogger(__name__)

LOOK_AGAIN = 0.5
"""Seconds between two looks for a lock or a file: nobody tells when another process is done."""

USUAL_TIMEOUTS = Timeouts()


async def fetch(
    file: RemoteFile,
    urls: Sequence[str],
    target: Path,
    report: Report,
    timeouts: Timeouts = USUAL_TIMEOUTS,
) -> None:
    """Return when ``target`` is the whole file, by our doing or another's.

    Raises ModelFetchError when no address gave it or the disk does not take it. What has come
    stays beside the target for the next try, also when the caller is cancelled.
    """
    download = _Download(file, urls, Places(target), report, timeouts)
    work = asyncio.create_task(download.run())
    there = asyncio.create_task(appears(target, file.size))
    try:
        await asyncio.wait({work, there}, return_when=asyncio.FIRST_COMPLETED)
        if not there.done():
            work.result()
    finally:
        work.cancel()
        there.cancel()
        await asyncio.gather(work, there, return_exceptions=True)


async def appears(target: Path, size: int | None) -> None:
    """Return when the file is there and nobody writes to it: its size is right, or at rest."""
    before: int | None = None
    while True:
        now = await asyncio.to_thread(size_of, target)
        if now is not None and now in (size, before):
            return
        before = now
        await asyncio.sleep(LOOK_AGAIN)


def not_fetched(what: str, reasons: str, *, definite: bool) -> ModelFetchError:
    """No source had it: which said what, and what to do."""
    return ModelFetchError(
        f"{what} could not be fetched. {reasons} Set MODEL_SOURCES or HF_ENDPOINT to a mirror that "
        "can be reached, or get the file elsewhere and run 'immich-aio models import FILE'.",
        definite=definite,
        reasons=reasons,
    )


def not_written(path: Path, error: OSError) -> ModelFetchError:
    """The disk did not take it, and no other source would help."""
    return ModelFetchError(
        f"{path} cannot be written: {error.strerror or error}. Make room, or set "
        "CLIP_DOWNLOAD_ROOT (for faces FACES_DOWNLOAD_ROOT) to a folder that can be written.",
        definite=True,
    )


class _Download:
    """One call of ``fetch``. What it does to files it does on its disk thread."""

    def __init__(
        self,
        file: RemoteFile,
        urls: Sequence[str],
        places: Places,
        report: Report,
        timeouts: Timeouts,
    ) -> None:
        self._file = file
        self._urls = urls
        self._places = places
        self._report = report
        self._timeouts = timeouts
        self._part = PartFile(places)
        self._lock = Lock(places.lock)
        self._disk = DiskThread()
        self._abandoned = threading.Event()

    async def run(self) -> None:
        """Fetch the file, unless another process has when its lock becomes ours."""
        try:
            while not await self._on_disk(self._lock.taken):
                await self._wait_for_the_other()
            if await self._on_disk(size_of, self._places.file) is None:
                await self._on_disk(self._part.open, self._unless_abandoned)
                await self._fetch()
        finally:
            self._abandoned.set()
            await self._disk.finish(self._tidy)

    async def _on_disk(
        self, do: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
    ) -> Result:
        """Its result. No source is to blame for what the disk refuses, and no other would help."""
        try:
            return await self._disk.run(do, *given, **named)
        except OSError as error:
            raise not_written(self._places.file, error) from None

    async def _wait_for_the_other(self) -> None:
        received = await self._on_disk(size_of, self._places.part)
        self._report(Progress(received or 0, self._file.size, None))
        await asyncio.sleep(LOOK_AGAIN)

    def _unless_abandoned(self, _count: int) -> None:
        """Hashing gigabytes takes seconds, and nobody may wait for it any more."""
        if self._abandoned.is_set():
            raise CancelledWorkError

    def _tidy(self) -> None:
        with contextlib.suppress(OSError):
            self._part.close()
        self._lock.give_back()

    async def _fetch(self) -> None:
        failures: list[tuple[str, SourceError]] = []
        async with open_session(self._timeouts) as session:
            for url in self._urls:
                try:
                    return await self._from(session, url)
                except SourceError as error:
                    log.info("%s: %s", shown(url), error.reason)
                    failures.append((url, error))
        raise self._failure(failures)

    def _failure(self, failures: Sequence[tuple[str, SourceError]]) -> ModelFetchError:
        reasons = "; ".join(f"{shown(url)}: {error.reason}" for url, error in failures)
        kept = "What has come is kept for the next try. " if self._part.size else ""
        return not_fetched(
            self._file.name,
            f"{reasons}. {kept}".rstrip(),
            definite=all(error.definite for _, error in failures),
        )

    async def _from(self, session: aiohttp.ClientSession, url: str) -> None:
        """Ask one source until the file is whole, as long as every reply brings more of it."""
        self._part.borrowed = self._part.size > 0
        most = self._part.size
        while True:
            try:
                if not self._is_whole():
                    await self._ask(session, url)
                return await self._on_disk(self._publish)
            except StartOverError:
                await self._on_disk(self._part.restart, None)
            except SourceError as error:
                if error.definite or self._part.size <= most:
                    raise
                most = self._part.size
                log.info("%s: %s; asking for the rest", shown(url), error.reason)
                await asyncio.sleep(self._timeouts.pause)

    def _is_whole(self) -> bool:
        """Whether an earlier try got all of it, and ended before it could say so."""
        return self._file.sha256 is not None and self._part.size == self._file.size

    async def _ask(self, session: aiohttp.ClientSession, url: str) -> None:
        headers = range_headers(self._part.size, self._part.origin, url, self._file.sha256)
        asked = self._part.size if headers else 0
        with seam(self._timeouts):
            async with session.get(url, headers=headers) as response:
                origin = self._origin(url, response)
                body = read_reply(
                    response.status, response.headers, asked=asked, size=self._file.size
                )
                check_announced(
                    origin.sha256, pinned=self._file.sha256, begun=self._expected if asked else None
                )
                if not body.offset:
                    pinned = self._file.sha256 is not None
                    await self._on_disk(self._part.restart, None if pinned else origin)
                await self._on_disk(self._check_room, body)
                if body.offset != body.total:
                    await self._receive(response, body, url)

    def _origin(self, url: str, response: aiohttp.ClientResponse) -> Origin:
        replies = [reply.headers for reply in (*response.history, response)]
        sha256 = linked_sha256(replies) or self._expected
        return Origin(url, strong_etag(response.headers), sha256)

    @property
    def _expected(self) -> str | None:
        """The hash that the file must have: the known one, or the one announced at last."""
        announced = None if self._part.origin is None else self._part.origin.sha256
        return self._file.sha256 or announced

    def _check_room(self, body: Body) -> None:
        folder = self._places.file.parent
        missing, free = (body.total or 0) - body.offset, shutil.disk_usage(folder).free
        if missing > free:
            raise ModelFetchError(
                f"{self._file.name} needs {missing / 1e6:,.0f} MB, and the disk of {folder} has "
                f"{free / 1e6:,.0f} MB left. Make room, or set CLIP_DOWNLOAD_ROOT (for faces "
                "FACES_DOWNLOAD_ROOT) to another disk.",
                definite=True,
            )

    async def _receive(self, response: aiohttp.ClientResponse, body: Body, url: str) -> None:
        self._report(Progress(self._part.size, body.total, url))
        async for block in response.content.iter_chunked(BLOCK):
            if body.total is not None and self._part.size + len(block) > body.total:
                raise SourceError("sent more than the file has", definite=True)
            await self._on_disk(self._part.write, block)
            self._report(Progress(self._part.size, body.total, url))
        if body.total is not None and self._part.size < body.total:
            raise SourceError("ended before the file did")

    def _publish(self) -> None:
        got, expected = self._part.sha256(), self._expected
        if not self._part.size:
            raise SourceError("gave an empty file")
        if expected in (None, got):
            return self._part.publish()
        if self._part.borrowed:  # the fault may lie with what was here before this source
            raise StartOverError
        self._part.restart(None)
        raise SourceError(
            f"gave a file with a wrong SHA-256 ({got[:12]}…, not {expected[:12]}…)", definite=True
        )

"""A pack from the first source that gives it whole: two files, or a zip that is unpacked.

Several processes may want the same pack: one fetches, the others wait for its lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from immich_aio.engines.model_files.archive import unpack
from immich_aio.engines.model_files.catalogue import RemoteFile
from immich_aio.engines.model_files.connection import Timeouts
from immich_aio.engines.model_files.disk import DiskThread, Lock
from immich_aio.engines.model_files.download import (
    LOOK_AGAIN,
    USUAL_TIMEOUTS,
    fetch,
    not_fetched,
    not_written,
)
from immich_aio.engines.model_files.face_packs import PublishedPack
from immich_aio.engines.model_files.pack_folder import PackFolder
from immich_aio.engines.model_files.places import Places
from immich_aio.engines.model_files.progress import Progress, Report
from immich_aio.engines.model_files.sources import Source
from immich_aio.errors import BadInputError, ModelFetchError


async def fetch_pack(
    folder: PackFolder,
    pack: PublishedPack,
    sources: Sequence[Source],
    report: Report,
    timeouts: Timeouts = USUAL_TIMEOUTS,
) -> None:
    """Return when both networks are here, by our doing or another's.

    Raises ModelFetchError when no source gave them or the disk does not take them. What has come
    stays for the next try.
    """
    lock, disk = folder.lock(pack), DiskThread()
    try:
        while not await disk.run(_taken, lock, folder.root):
            coming = await disk.run(folder.state, pack)
            report(Progress(coming.partial or 0, None, None))
            await asyncio.sleep(LOOK_AGAIN)
        if await disk.run(folder.files, pack) is None:
            await _Delivery(folder, pack, disk, report, timeouts).fetch(sources)
    finally:
        await disk.finish(lock.give_back)


async def pack_appears(folder: PackFolder, pack: PublishedPack) -> None:
    """Return when the pack is here."""
    while True:
        if await asyncio.to_thread(folder.files, pack) is not None:
            return
        await asyncio.sleep(LOOK_AGAIN)


def _taken(lock: Lock, root: Path) -> bool:
    try:
        return lock.taken()
    except OSError as error:
        raise not_written(root, error) from None


class _Delivery:
    """One call of ``fetch_pack``, once the lock is its own."""

    def __init__(
        self,
        folder: PackFolder,
        pack: PublishedPack,
        disk: DiskThread,
        report: Report,
        timeouts: Timeouts,
    ) -> None:
        self._folder = folder
        self._pack = pack
        self._disk = disk
        self._report = report
        self._timeouts = timeouts

    async def fetch(self, sources: Sequence[Source]) -> None:
        """From the first source that has both files, or the zip."""
        failures: list[ModelFetchError] = []
        for source in sources:
            for way in (self._both_files, self._zip):
                try:
                    if await way(source):
                        return
                except ModelFetchError as error:
                    if not error.reasons:  # the fault was no source's, and no other would help
                        raise
                    failures.append(error)
        reasons = " ".join(error.reasons for error in failures)
        raise not_fetched(
            self._pack.name,
            reasons or "None of MODEL_SOURCES has face packs.",
            definite=all(error.definite for error in failures),
        )

    async def _both_files(self, source: Source) -> bool:
        """Whether this source has them, by their addresses."""
        targets = self._folder.targets(self._pack)
        for file, (_, target) in zip(self._pack.networks, targets.of_tasks(), strict=True):
            if not await self._one_file(source, file, target):
                return False
        return True

    async def _zip(self, source: Source) -> bool:
        """Whether this source has it, by its address; unpacked, it goes."""
        archive = self._folder.archive(self._pack)
        if not await self._one_file(source, self._pack.archive, archive):
            return False
        await self._disk.run(self._unpack, archive)
        return True

    def _unpack(self, archive: Path) -> None:
        try:
            unpack(archive, self._pack, self._folder.targets(self._pack))
        except BadInputError as error:
            raise ModelFetchError(error.message, definite=True, reasons=error.message) from None
        except OSError as error:
            raise not_written(self._folder.path(self._pack), error) from None
        finally:
            for path in (archive, Places(archive).record):
                path.unlink(missing_ok=True)

    async def _one_file(self, source: Source, file: RemoteFile, target: Path) -> bool:
        url = source.url(file)
        if url is None:
            return False
        await fetch(file, [url], target, self._report, self._timeouts)
        return True

"""Face packs for services: with the licence accepted, fetched in the background and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from immich_aio.engines.model_files.background import (
    USUAL_PAUSES,
    BackgroundFetches,
    Errand,
    Pauses,
)
from immich_aio.engines.model_files.connection import Timeouts
from immich_aio.engines.model_files.download import USUAL_TIMEOUTS
from immich_aio.engines.model_files.face_packs import PublishedPack
from immich_aio.engines.model_files.license import License
from immich_aio.engines.model_files.pack_download import fetch_pack, pack_appears
from immich_aio.engines.model_files.pack_folder import PackFiles, PackFolder
from immich_aio.engines.model_files.sources import Source
from immich_aio.errors import ModelMissingError


class PackFetcher(BackgroundFetches):
    """Gives the files of packs; what is missing is fetched once for all who wait for it.

    Nothing is given or fetched before the licence was accepted, and unless ``allowed`` nothing is
    ever fetched. All methods belong to one event loop.
    """

    def __init__(
        self,
        folder: PackFolder,
        license_: License,
        sources: Sequence[Source],
        *,
        allowed: bool,
        timeouts: Timeouts = USUAL_TIMEOUTS,
        pauses: Pauses = USUAL_PAUSES,
    ) -> None:
        super().__init__(pauses)
        self._folder = folder
        self._license = license_
        self._sources = tuple(sources)
        self._allowed = allowed
        self._timeouts = timeouts

    async def files(self, pack: PublishedPack, patience: float) -> PackFiles:
        """The pack's files: at once when they are here, else as soon as they are, within
        ``patience`` seconds.

        Raises LicenseError before the licence was accepted, and as ``ModelFetcher.checkpoint``.
        """
        await asyncio.to_thread(self._license.require, pack.name)
        while (files := await asyncio.to_thread(self._folder.files, pack)) is None:
            self.check_open()
            if not self._allowed:
                raise ModelMissingError(self._forbidden(pack))
            await self.wait_for(self._errand(pack), patience)
        return files

    def state(self, pack: PublishedPack) -> str:
        """How far a pack has got, in words for people; looks at the disk."""
        if not self._license.accepted:
            return "licence not accepted"
        if self._folder.files(pack) is not None:
            return "ready, loaded on first use"
        return self.how_far(pack.name)

    def _errand(self, pack: PublishedPack) -> Errand:
        return Errand(
            pack.name,
            str(self._folder.path(pack)),
            lambda report: fetch_pack(self._folder, pack, self._sources, report, self._timeouts),
            lambda: pack_appears(self._folder, pack),
        )

    def _forbidden(self, pack: PublishedPack) -> str:
        return (
            f"The face pack {pack.name} is not here (nothing of it is in "
            f"{self._folder.path(pack)}), and MODEL_DOWNLOAD is off. Run 'immich-aio models pull "
            f"{pack.name}', or get {pack.archive.name} elsewhere and run 'immich-aio models import "
            f"{pack.archive.name}'."
        )

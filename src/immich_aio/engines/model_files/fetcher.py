"""Models for services that have begun to serve: fetched in the background, and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from immich_aio.engines.model_files.background import (
    USUAL_PAUSES,
    BackgroundFetches,
    Errand,
    Pauses,
)
from immich_aio.engines.model_files.catalogue import PublishedModel
from immich_aio.engines.model_files.connection import Timeouts
from immich_aio.engines.model_files.disk import size_of
from immich_aio.engines.model_files.download import USUAL_TIMEOUTS, appears, fetch
from immich_aio.engines.model_files.folder import ModelFolder
from immich_aio.engines.model_files.sources import Source, addresses, shown
from immich_aio.errors import ModelMissingError


class ModelFetcher(BackgroundFetches):
    """Gives checkpoints of a folder; what is missing is fetched once for all who wait for it.

    Unless ``allowed``, nothing is ever fetched. All methods belong to one event loop.
    """

    def __init__(
        self,
        folder: ModelFolder,
        sources: Sequence[Source],
        *,
        allowed: bool,
        timeouts: Timeouts = USUAL_TIMEOUTS,
        pauses: Pauses = USUAL_PAUSES,
    ) -> None:
        super().__init__(pauses)
        self._folder = folder
        self._sources = tuple(sources)
        self._allowed = allowed
        self._timeouts = timeouts

    async def checkpoint(self, name: str, patience: float) -> Path:
        """The model's file: at once when it is here, else as soon as it is, within ``patience``
        seconds.

        Raises ModelMissingError when it is not here and will not be fetched, ModelFetchError when
        no source has it, TimeoutExceededError while it is still on its way. The fetch goes on when
        a caller gives up or is cancelled: another will ask.
        """
        path = self._folder.places(name).file
        if await asyncio.to_thread(size_of, path) is None:
            self.check_open()
            await self.wait_for(self._errand(name, path), patience)
        return path

    def _errand(self, name: str, path: Path) -> Errand:
        model = self._folder.official(name)
        if model is None:
            raise ModelMissingError(self._unknown(name, path))
        if not self._allowed:
            raise ModelMissingError(self._forbidden(model, path))
        file, urls = model.checkpoint, addresses(model.checkpoint, self._sources)
        return Errand(
            model.name,
            str(path),
            lambda report: fetch(file, urls, path, report, self._timeouts),
            lambda: appears(path, file.size),
        )

    def _unknown(self, name: str, path: Path) -> str:
        known = ", ".join(model.name for model in self._folder.known)
        return (
            f"There is no model {name}: {path} does not exist, and it is none of those that can be "
            f"fetched ({known}). Run 'immich-aio models import FILE --as {name}', or set "
            "CLIP_MODEL to another."
        )

    def _forbidden(self, model: PublishedModel, path: Path) -> str:
        urls = " or ".join(map(shown, addresses(model.checkpoint, self._sources)))
        return (
            f"The model {model.name} is not here ({path} does not exist), and MODEL_DOWNLOAD is "
            f"off. Run 'immich-aio models pull {model.name}', or get {urls} and run "
            f"'immich-aio models import {model.checkpoint.name}'."
        )

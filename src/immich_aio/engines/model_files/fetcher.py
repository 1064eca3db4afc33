"""Models for services that have begun to serve: fetched in the background, and waited for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from immich_aio.engines.model_files.catalogue import PublishedModel
from immich_aio.engines.model_files.connection import Timeouts
from immich_aio.engines.model_files.disk import size_of
from immich_aio.engines.model_files.download import USUAL_TIMEOUTS, appears, fetch
from immich_aio.engines.model_files.folder import ModelFolder
from immich_aio.engines.model_files.progress import Milestones, Progress
from immich_aio.engines.model_files.sources import Source, addresses, shown
from immich_aio.errors import (
    ModelFetchError,
    ModelMissingError,
    TimeoutExceededError,
    UnavailableError,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds between one failed fetch and the next: ``first``, then twice as long each time."""

    first: float = 5.0
    longest: float = 300.0

    def after(self, failures: int) -> float:
        """How long to wait after so many failures in a row."""
        return min(self.first * 2.0 ** min(failures - 1, 30), self.longest)


USUAL_PAUSES = Pauses()


@dataclass(frozen=True, slots=True)
class FetchStatus:
    """A model that was asked for and was not here: how far it is, and the last failure, if any."""

    name: str
    is_running: bool
    progress: Progress | None
    failure: str | None


class ModelFetcher:
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
        self._folder = folder
        self._sources = tuple(sources)
        self._allowed = allowed
        self._timeouts = timeouts
        self._pauses = pauses
        self._fetches: dict[str, _Fetch] = {}
        self._closed = False

    async def checkpoint(self, name: str, patience: float) -> Path:
        """The model's file: at once when it is here, else as soon as it is, within ``patience``
        seconds.

        Raises ModelMissingError when it is not here and will not be fetched, ModelFetchError when
        no source has it, TimeoutExceededError while it is still on its way. The fetch goes on when
        a caller gives up or is cancelled: another will ask.
        """
        path = self._folder.places(name).file
        if await asyncio.to_thread(size_of, path) is None:
            await self._fetch(name, path).wait(patience)
        return path

    def progress(self) -> tuple[FetchStatus, ...]:
        """What is on its way, or could not be fetched."""
        return tuple(fetch.status() for fetch in self._fetches.values() if not fetch.is_over)

    def how_far(self, name: str) -> str:
        """How far one model is that is not here, in words for people."""
        status = next((each for each in self.progress() if each.name == name), None)
        if status is None:
            return "not here yet"
        if status.failure is not None:
            return f"could not be fetched yet: {status.failure}"
        return f"being fetched: {status.progress or 'nothing has come yet'}"

    async def close(self) -> None:
        """Stop fetching. What has come is kept; who still waits gets an UnavailableError."""
        self._closed = True
        for each in self._fetches.values():
            await each.stop()

    def _fetch(self, name: str, path: Path) -> _Fetch:
        if self._closed:
            raise UnavailableError("The service is shutting down; try again.")
        model = self._folder.official(name)
        if model is None:
            raise ModelMissingError(self._unknown(name, path))
        if not self._allowed:
            raise ModelMissingError(self._forbidden(model, path))
        if model.name not in self._fetches:
            urls = addresses(model.checkpoint, self._sources)
            self._fetches[model.name] = _Fetch(model, urls, path, self._timeouts, self._pauses)
        return self._fetches[model.name]

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


class _Fetch:
    """One model on its way: a task of its own, which no single waiter can end.

    A failure that may pass is tried again while somebody waits; else, and after one that will not
    pass by itself, whoever asks next has it tried again, but never sooner than the pause allows.
    """

    def __init__(
        self,
        model: PublishedModel,
        urls: tuple[str, ...],
        path: Path,
        timeouts: Timeouts,
        pauses: Pauses,
    ) -> None:
        self._model = model
        self._urls = urls
        self._path = path
        self._timeouts = timeouts
        self._pauses = pauses
        self._task: asyncio.Task[ModelFetchError | None] | None = None
        self._waiting = 0
        self._progress: Progress | None = None
        self._failure: ModelFetchError | None = None
        self._failures = 0
        self._again_at = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the file came."""
        return self._task is not None and self._task.done() and self._failure is None

    def status(self) -> FetchStatus:
        """For status pages."""
        running = self._task is not None and not self._task.done()
        failure = None if self._failure is None else self._failure.message
        return FetchStatus(self._model.name, running, self._progress, failure)

    async def wait(self, seconds: float) -> None:
        """Return when the file is here; raises what ``ModelFetcher.checkpoint`` says."""
        task = self._running()
        self._waiting += 1
        try:
            await asyncio.wait({task}, timeout=seconds)
        finally:
            self._waiting -= 1
        if not task.done():
            raise TimeoutExceededError(self._how_far())
        if task.cancelled():
            raise UnavailableError("The service is shutting down; try again.")
        failure = task.result()
        if failure is not None:
            raise ModelFetchError(failure.message, definite=failure.definite)

    async def stop(self) -> None:
        """End the task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _running(self) -> asyncio.Task[ModelFetchError | None]:
        """The task, begun anew where it has ended; one that failed for good rests for its pause."""
        if self._task is None or (self._task.done() and not self._rests()):
            self._task = asyncio.create_task(self._work())
        return self._task

    def _rests(self) -> bool:
        failed_for_good = self._failure is not None and self._failure.definite
        return failed_for_good and time.monotonic() < self._again_at

    async def _work(self) -> ModelFetchError | None:
        """Fetch until the file is here; or why it cannot be."""
        while not await self._has_come_in_the_pause():
            try:
                await self._try()
            except ModelFetchError as error:
                self._failed(error)
                if error.definite or not self._waiting:
                    return error
            else:
                break
        self._failure, self._failures = None, 0
        log.info("%s is here: %s", self._model.name, self._path)
        return None

    async def _has_come_in_the_pause(self) -> bool:
        pause = self._again_at - time.monotonic()
        if pause <= 0:
            return False
        try:
            await asyncio.wait_for(appears(self._path, self._model.checkpoint.size), pause)
        except TimeoutError:
            return False
        return True

    async def _try(self) -> None:
        milestones = Milestones()

        def report(progress: Progress) -> None:
            self._progress, self._failure = progress, None
            if milestones.passed(progress):
                log.info("%s: %s", self._model.name, progress)

        log.info("fetching %s to %s", self._model.name, self._path)
        await fetch(self._model.checkpoint, self._urls, self._path, report, self._timeouts)

    def _failed(self, error: ModelFetchError) -> None:
        self._failures += 1
        self._failure = error
        pause = self._pauses.after(self._failures)
        self._again_at = time.monotonic() + pause
        log.warning("%s Not tried again for %.0f s.", error.message, pause)

    def _how_far(self) -> str:
        name = self._model.name
        if self._failure is not None:
            return f"{name} could not be fetched yet, and is tried again. {self._failure.message}"
        far = "nothing has come yet" if self._progress is None else str(self._progress)
        return (
            f"{name} is still being fetched: {far}. Ask again later, or raise MODEL_WAIT "
            "(QUERY_WAIT for a text query)."
        )

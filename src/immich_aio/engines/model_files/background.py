"""Fetching in the background for services that have begun to serve, and waiting for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from immich_aio.engines.model_files.progress import Milestones, Progress, Report
from immich_aio.errors import ModelFetchError, TimeoutExceededError, UnavailableError

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


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be fetched: ``do`` fetches it, ``appears`` returns when it is here by whatever
    means; ``place`` is where it goes to, in words for people.
    """

    name: str
    place: str
    do: Callable[[Report], Awaitable[None]]
    appears: Callable[[], Awaitable[None]]


class BackgroundFetches:
    """Each errand once, for all who wait for it. All methods belong to one event loop."""

    def __init__(self, pauses: Pauses = USUAL_PAUSES) -> None:
        self._pauses = pauses
        self._fetches: dict[str, _Fetch] = {}
        self._closed = False

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

    def check_open(self) -> None:
        """Raises UnavailableError after ``close``."""
        if self._closed:
            raise UnavailableError("The service is shutting down; try again.")

    async def wait_for(self, errand: Errand, seconds: float) -> None:
        """Return when it is here.

        Raises ModelFetchError when no source has it, TimeoutExceededError while it is still on its
        way. The fetch goes on when a caller gives up or is cancelled: another will ask.
        """
        self.check_open()
        if errand.name not in self._fetches:
            self._fetches[errand.name] = _Fetch(errand, self._pauses)
        await self._fetches[errand.name].wait(seconds)


class _Fetch:
    """One model on its way: a task of its own, which no single waiter can end.

    A failure that may pass is tried again while somebody waits; else, and after one that will not
    pass by itself, whoever asks next has it tried again, but never sooner than the pause allows.
    """

    def __init__(self, errand: Errand, pauses: Pauses) -> None:
        self._errand = errand
        self._pauses = pauses
        self._task: asyncio.Task[ModelFetchError | None] | None = None
        self._waiting = 0
        self._progress: Progress | None = None
        self._failure: ModelFetchError | None = None
        self._failures = 0
        self._again_at = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the model came."""
        return self._task is not None and self._task.done() and self._failure is None

    def status(self) -> FetchStatus:
        """For status pages."""
        running = self._task is not None and not self._task.done()
        failure = None if self._failure is None else self._failure.message
        return FetchStatus(self._errand.name, running, self._progress, failure)

    async def wait(self, seconds: float) -> None:
        """Return when the model is here; raises what ``BackgroundFetches.wait_for`` says."""
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
        """Fetch until the model is here; or why it cannot be."""
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
        log.info("%s is here: %s", self._errand.name, self._errand.place)
        return None

    async def _has_come_in_the_pause(self) -> bool:
        pause = self._again_at - time.monotonic()
        if pause <= 0:
            return False
        try:
            await asyncio.wait_for(self._errand.appears(), pause)
        except TimeoutError:
            return False
        return True

    async def _try(self) -> None:
        milestones = Milestones()

        def report(progress: Progress) -> None:
            self._progress, self._failure = progress, None
            if milestones.passed(progress):
                log.info("%s: %s", self._errand.name, progress)

        log.info("fetching %s to %s", self._errand.name, self._errand.place)
        await self._errand.do(report)

    def _failed(self, error: ModelFetchError) -> None:
        self._failures += 1
        self._failure = error
        pause = self._pauses.after(self._failures)
        self._again_at = time.monotonic() + pause
        log.warning("%s Not tried again for %.0f s.", error.message, pause)

    def _how_far(self) -> str:
        name = self._errand.name
        if self._failure is not None:
            return f"{name} could not be fetched yet, and is tried again. {self._failure.message}"
        far = "nothing has come yet" if self._progress is None else str(self._progress)
        return (
            f"{name} is still being fetched: {far}. Ask again later, or raise MODEL_WAIT "
            "(QUERY_WAIT for a text query)."
        )

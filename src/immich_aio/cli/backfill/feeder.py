"""Queues a back-fill's jobs, little by little, and sees how each ended."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from time import monotonic
from uuid import UUID

from immich_aio.domain.backfill import (
    FEWEST,
    RECENT_SECONDS,
    REMEMBERED_SECONDS,
    SUSPICIOUS,
    BackfillProgress,
    Pace,
    Scope,
    Speed,
)
from immich_aio.domain.refresh import JOBS, Refresh
from immich_aio.store.backfill import BackfillLog, BackfillRun
from immich_aio.store.backfill_photos import BackfillPhotos, Place
from immich_aio.upstream.bullmq import JobCounts
from immich_aio.upstream.immich_jobs import ImmichJobs

READ_AHEAD = 20_000
"""Photos that are looked up at once: Immich has no index for their order."""

Report = Callable[[BackfillProgress, str], None]
"""Told how far it is, and what it waits for, if it does."""


class Ending(Enum):
    """How a back-fill came to an end."""

    FINISHED = "every photo was tried"
    FORGOTTEN = "somebody cancelled it"
    HOPELESS = "no job comes to anything"


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds between two looks; and from a try to the next while no job comes to anything."""

    interval: float = 1.0
    first: float = 2.0
    longest: float = 60.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What a back-fill works with."""

    refresh: Refresh
    scope: Scope
    log: BackfillLog
    photos: BackfillPhotos
    jobs: ImmichJobs


async def rest(seconds: float) -> None:
    """Sleep, and end if that was asked for at any time before.

    Some libraries lose it when a task is cancelled, by ``asyncio.wait_for`` of Python 3.11.
    """
    await asyncio.sleep(seconds)
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class Feeder:
    """One back-fill, for the one process that is at it."""

    def __init__(
        self, parts: Parts, report: Report, per_minute: float | None, patience: Patience
    ) -> None:
        self._parts = parts
        self._job = JOBS[parts.refresh]
        self._report = report
        self._patience = patience
        now = monotonic()
        self._speed, self._pace = Speed(now), Pace(now, per_minute)
        self._settled_at = now
        self._under_way: dict[UUID, str | None] = {}
        self._ahead: deque[Place] = deque()
        self._reached: Place | None = None
        self._suspects: list[UUID] = []
        """Photos that failed since the last that did not."""
        self._progress = BackfillProgress(0, 0, 0)

    async def run(self) -> Ending:
        """Go on from where it was left, to an end.

        Raises UnavailableError or psycopg's errors where Redis or the database is away; whatever
        has happened until then, it can be run again.
        """
        if not await self._take_up():
            return Ending.FORGOTTEN
        while True:
            ending = await self._round()
            if ending is not None:
                return ending
            await rest(self._patience.interval)

    def wait(self, why: str) -> None:
        """Tell what it waits for while it does not run."""
        self._report(self._progress, why)

    async def _take_up(self) -> bool:
        """Queue again what was noted and is not done; jobs that wait are not queued twice."""
        run = await self._parts.log.run()
        if run is None:
            return False
        self._reached = run.reached
        self._ahead.clear()
        self._settled_at = monotonic()
        self._under_way = await self._parts.log.under_way()
        now = await self._parts.photos.marks(self._under_way)
        await self._queue([one for one, mark in self._under_way.items() if now.get(one) == mark])
        return True

    async def _round(self) -> Ending | None:
        """See how jobs ended, and queue others in their place."""
        await self._settle()
        run = await self._parts.log.run()
        if run is None:
            return Ending.FORGOTTEN
        counts = await self._parts.jobs.counts(self._job.queue)
        self._tell(run, await self._hindrance(run, counts))
        if run.paused:
            return None
        if len(self._suspects) >= SUSPICIOUS:
            return None if self._under_way else await self._find_out(run)
        speed = self._speed.over(RECENT_SECONDS)
        room = self._pace.room(counts.unfinished, speed, monotonic())
        if room and not await self._take(room) and not self._under_way:
            await self._parts.log.finish()
            return Ending.FINISHED
        return None

    async def _settle(self) -> None:
        """Take note of photos that are done, and of those whose job is gone without that."""
        before, self._settled_at = self._settled_at, monotonic()
        ids = list(self._under_way)
        if not ids:
            return
        queued = await self._unfinished(ids)
        now = await self._parts.photos.marks(ids)
        done = {one for one in ids if now.get(one) not in (None, self._under_way[one])}
        failed = [one for one in ids if one not in done and str(one) not in queued]
        await self._parts.log.settle(done, failed, self._settled_at - before)
        for one in (*done, *failed):
            del self._under_way[one]
        self._speed.add(self._settled_at, len(done))
        self._suspects = [] if done else self._suspects + failed

    async def _take(self, room: int) -> int:
        """Queue the jobs of the photos that follow; of how many photos."""
        parts = self._parts
        if not self._ahead:
            self._ahead.extend(await parts.photos.beyond(self._reached, READ_AHEAD))
        chosen = [self._ahead.popleft() for _ in range(min(room, len(self._ahead)))]
        if not chosen:
            return await self._take_again(room)
        marks = await parts.photos.marks(place.id for place in chosen)
        wanted = [one for one in chosen if parts.scope is Scope.ALL or one.id not in marks]
        taken = {place.id: marks.get(place.id) for place in wanted}
        await parts.log.take(taken, chosen[-1], len(chosen) - len(taken))
        self._reached = chosen[-1]
        await self._queue_noted(taken)
        return len(chosen)

    async def _take_again(self, room: int) -> int:
        """When all others were taken: queue the jobs of photos that failed once."""
        ids = await self._parts.log.failed_once(room)
        if ids:
            marks = await self._parts.photos.marks(ids)
            taken = {one: marks.get(one) for one in ids}
            await self._parts.log.take_again(taken)
            await self._queue_noted(taken)
        return len(ids)

    async def _queue_noted(self, taken: Mapping[UUID, str | None]) -> None:
        self._under_way.update(taken)
        self._pace.queued(len(taken))
        await self._queue(list(taken))

    async def _queue(self, ids: list[UUID]) -> None:
        await self._parts.jobs.add(self._job.queue, self._job.name, list(map(str, ids)))

    async def _unfinished(self, ids: list[UUID]) -> set[str]:
        job = self._job
        return await self._parts.jobs.unfinished(job.queue, job.name, list(map(str, ids)))

    async def _find_out(self, run: BackfillRun) -> Ending | None:
        """Many in a row failed: have a photo done again that was done before.

        If that succeeds the photos are at fault; if not, nobody could have done them, so the try
        does not count, and nothing is queued until it succeeds.
        """
        pause = self._patience.first
        while (proven := await self._parts.photos.proven()) is not None:
            if await self._succeeds(proven):
                self._suspects = []
                return None
            await self._forgive()
            self._tell(
                run, f"Immich's jobs come to nothing (its log says why); again in {pause:g} s"
            )
            await rest(pause)
            pause = min(2 * pause, self._patience.longest)
        await self._forgive()
        return Ending.HOPELESS

    async def _succeeds(self, one: UUID) -> bool:
        before = (await self._parts.photos.marks([one])).get(one)
        await self._queue([one])
        while await self._unfinished([one]):
            await rest(self._patience.interval)
        return (await self._parts.photos.marks([one])).get(one) not in (None, before)

    async def _forgive(self) -> None:
        await self._parts.log.forgive(self._suspects)
        self._suspects = []

    async def _hindrance(self, run: BackfillRun, counts: JobCounts) -> str:
        """What it waits for, in words; empty while it waits for nothing but work."""
        if run.paused:
            return "paused"
        if await self._parts.jobs.is_paused(self._job.queue):
            return f"{self._job.title} is paused in Immich: resume it in Administration → Jobs"
        others = counts.unfinished - len(self._under_way)
        return f"beside {others:,} jobs of Immich's own" if others >= FEWEST else ""

    def _tell(self, run: BackfillRun, hindrance: str) -> None:
        speed = self._speed.over(REMEMBERED_SECONDS)
        self._progress = replace(run.progress, speed=speed)
        self._report(self._progress, hindrance)

"""A back-fill under way: with Immich's queues, to its end, whatever is away meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg
import typer
from psycopg_pool import PoolTimeout

from immich_aio.cli.backfill.feeder import Ending, Feeder, Parts, Patience, rest
from immich_aio.cli.backfill.output import named, reporting, tell, write
from immich_aio.cli.backfill.wish import Wish
from immich_aio.cli.search_filters import immich_filters
from immich_aio.domain.refresh import JOBS, Refresh
from immich_aio.errors import ElsewhereError, UnavailableError
from immich_aio.settings import Settings
from immich_aio.store.backfill import BackfillLog
from immich_aio.store.backfill_photos import NAMES, BackfillPhotos, Wanted
from immich_aio.store.database import Database
from immich_aio.store.immich_guard import ImmichTables
from immich_aio.store.viewers import find_viewer
from immich_aio.upstream.immich_jobs import ImmichJobs

AWAY_SECONDS = 5.0
"""Between two looks whether the database and Redis are back."""


@dataclass(frozen=True, slots=True)
class Immich:
    """Immich's database, and what its tables are like."""

    settings: Settings
    database: Database
    tables: ImmichTables

    async def photos(self, refresh: Refresh, wish: Wish, started_at: datetime) -> BackfillPhotos:
        """The photos of a wish. Raises BadInputError for what Immich does not take."""
        owner = None if wish.user is None else (await find_viewer(self.database, wish.user)).id
        filters = immich_filters(wish.filters, self.tables.shape)
        wanted = Wanted(refresh, wish.scope, filters, owner, started_at)
        return BackfillPhotos(self.database, self.tables.shape, wanted)


async def work(immich: Immich, log: BackfillLog, refresh: Refresh, rate: float | None) -> None:
    """Go on to the end, and say how it came to it. Raises ElsewhereError, UnavailableError."""
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # what it warns of is told here
    try:
        ending = await _to_the_end(immich, log, refresh, rate)
    except asyncio.CancelledError:
        tell(f"Stopped. 'immich-aio backfill resume {NAMES[refresh]}' goes on; nothing is lost.")
        raise
    await _conclude(ending, log, refresh)


async def _to_the_end(
    immich: Immich, log: BackfillLog, refresh: Refresh, rate: float | None
) -> Ending:
    await log.pause(paused=False)
    run = await log.run()
    if run is None:
        return Ending.FORGOTTEN
    wish = Wish.kept(run.wish)
    photos = await immich.photos(refresh, wish, run.started_at)
    async with _queues(immich.settings) as jobs:
        await jobs.counts(JOBS[refresh].queue)  # raises now, if at all
        parts = Parts(refresh, wish.scope, log, photos, jobs)
        with reporting() as report:
            return await _persist(Feeder(parts, report, rate, Patience()), log)


async def _persist(feeder: Feeder, log: BackfillLog) -> Ending:
    """Run it to an end, however often the database or Redis are away meanwhile."""
    at_first = True
    while True:
        try:
            async with log.held():
                at_first = False
                return await feeder.run()
        except psycopg.errors.UndefinedTable:
            return Ending.FORGOTTEN  # together with all of ours
        except ElsewhereError as error:
            if at_first:
                raise
            away = error.message  # or the server has not noticed yet that we were cut off
        except (psycopg.OperationalError, PoolTimeout) as error:
            away = f"Immich's database is away: {' '.join(str(error).split())}"
        except UnavailableError as error:
            away = error.message
        feeder.wait(away)
        await rest(AWAY_SECONDS)


async def _conclude(ending: Ending, log: BackfillLog, refresh: Refresh) -> None:
    if ending is Ending.FORGOTTEN:
        raise UnavailableError("The back-fill was cancelled meanwhile.")
    if ending is Ending.HOPELESS:
        raise UnavailableError(
            "Immich's jobs come to nothing, from the first one on; Immich's log says why. Check "
            f"that {JOBS[refresh].title} is on in Immich and that it reaches its machine-learning "
            f"server, then run 'immich-aio backfill resume {NAMES[refresh]}'."
        )
    run, failed = await log.run(), await log.failed()
    write(f"Done: {0 if run is None else run.progress.done:,} photos.")
    if failed:
        write(f"{len(failed):,} failed twice; Immich's log says why: {named(failed)}")
        raise typer.Exit(1)


@asynccontextmanager
async def _queues(settings: Settings) -> AsyncIterator[ImmichJobs]:
    """Immich's queues. Raises UnavailableError where they are not known."""
    if settings.queue_url is None:
        raise UnavailableError(
            "Immich's job queues are not known. Set REDIS_HOSTNAME and REDIS_PASSWORD as Immich "
            "has them, or REDIS_URL, such as REDIS_URL=redis://:password@localhost:6379."
        )
    jobs = ImmichJobs(settings.queue_url)
    try:
        yield jobs
    finally:
        await jobs.close()

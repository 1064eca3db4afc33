"""What ``immich-aio backfill`` does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg_pool import PoolTimeout

from immich_aio.cli.backfill.output import hindered, named, shown, tell, write
from immich_aio.cli.backfill.wish import Wish
from immich_aio.cli.backfill.work import Immich, work
from immich_aio.cli.immich_database import connected, immich_database
from immich_aio.domain.refresh import JOBS
from immich_aio.errors import BadInputError, UnavailableError
from immich_aio.settings import Settings
from immich_aio.store.backfill import BackfillLog, BackfillRun
from immich_aio.store.backfill_photos import NAMES
from immich_aio.store.migration import migrate

if TYPE_CHECKING:
    from immich_aio.cli.backfill import Task


async def count(task: Task, wish: Wish) -> None:
    """Print how many photos it would be."""
    async with _immich() as immich:
        now = await BackfillLog(immich.database, task.refresh).now()
        extent = await (await immich.photos(task.refresh, wish, now)).extent()
    write(f"{extent.possible:,} photos.", *hindered(extent.hindered))


async def begin(task: Task, wish: Wish, rate: float | None) -> None:
    """Begin a back-fill, or go on with the same one, to its end."""
    async with _immich() as immich:
        await migrate(immich.database)
        log = BackfillLog(immich.database, task.refresh)
        async with log.held():
            run = await log.run()
            if run is None or run.finished_at is not None:
                await _note(immich, log, task, wish)
            elif Wish.kept(run.wish) != wish:
                raise BadInputError(
                    f"Another back-fill of {task.value} is not finished ({_asked(run)}). Go on "
                    f"with it by 'immich-aio backfill resume {task.value}', or forget it by "
                    f"'immich-aio backfill cancel {task.value}'."
                )
        await work(immich, log, task.refresh, rate)


async def resume(task: Task, rate: float | None) -> None:
    """Let the process that is at it go on, or go on here."""
    async with _immich() as immich:
        log = BackfillLog(immich.database, task.refresh)
        await _unfinished(log, task)
        if await log.is_held():
            await log.pause(paused=False)
            write("The process that is at it goes on.")
        else:
            await work(immich, log, task.refresh, rate)


async def pause(task: Task) -> None:
    """Let the process that is at it wait."""
    async with _log(task) as log:
        await _unfinished(log, task)
        await log.pause(paused=True)
    write(f"Paused. 'immich-aio backfill resume {task.value}' goes on.")


async def cancel(task: Task) -> None:
    """Forget a back-fill."""
    async with _log(task) as log:
        progress = (await _unfinished(log, task)).progress
        await log.forget()
    write(f"Cancelled after {progress.done:,} of {progress.total:,} photos.")


async def status(*, as_json: bool) -> None:
    """Print how far back-fills are."""
    async with _explained(), connected(Settings.load()) as database:
        told = {name: await _status(BackfillLog(database, one)) for one, name in NAMES.items()}
    if as_json:
        write(json.dumps(told, ensure_ascii=False))
        return
    for name, one in told.items():
        write(f"{name:<5}" + (one["shown"] if one else "no back-fill yet"))
        if one and one["failed"]:
            write(f"     failed: {named(one['failed'])}")


@asynccontextmanager
async def _immich() -> AsyncIterator[Immich]:
    settings = Settings.load()
    async with _explained(), immich_database(settings) as (database, tables):
        yield Immich(settings, database, tables)


@asynccontextmanager
async def _log(task: Task) -> AsyncIterator[BackfillLog]:
    """The record alone, also where Immich's tables are not known."""
    async with _explained(), connected(Settings.load()) as database:
        yield BackfillLog(database, task.refresh)


@asynccontextmanager
async def _explained() -> AsyncIterator[None]:
    """What the database refuses, in one line."""
    try:
        yield
    except (psycopg.Error, PoolTimeout) as error:
        said = " ".join(str(error).split())
        raise UnavailableError(
            f"Immich's database refuses it: {said}. DB_USERNAME must be allowed to write in the "
            "schema immich_aio."
        ) from error


async def _note(immich: Immich, log: BackfillLog, task: Task, wish: Wish) -> None:
    """Look what there is to do, and note that it is to be done."""
    started_at = await log.now()
    photos = await immich.photos(task.refresh, wish, started_at)
    if await photos.is_switched_off():
        raise UnavailableError(
            f"{JOBS[task.refresh].title} is switched off in Immich, whose worker would drop the "
            "jobs. Switch it on in Administration → Settings → Machine Learning Settings."
        )
    extent = await photos.extent()
    await log.begin(wish.record, started_at, extent.possible)
    for line in (f"{extent.possible:,} photos.", *hindered(extent.hindered)):
        tell(line)


async def _unfinished(log: BackfillLog, task: Task) -> BackfillRun:
    run = await log.run()
    if run is None or run.finished_at is not None:
        raise BadInputError(
            f"There is no back-fill of {task.value} that is not finished. 'immich-aio backfill "
            f"{task.value}' begins one."
        )
    return run


async def _status(log: BackfillLog) -> dict[str, Any] | None:
    run = await log.run()
    if run is None:
        return None
    progress, state = run.progress, await _state(log, run)
    how_far = f"{progress.done:,} photos" if run.finished_at else shown(progress, "")
    return {
        "state": state,
        "wish": run.wish,
        "started_at": run.started_at.isoformat(timespec="seconds"),
        "total": progress.total,
        "done": progress.done,
        "seconds_left": None if run.finished_at else progress.seconds_left,
        "failed": await log.failed(),
        "shown": f"{state}: {how_far} ({_asked(run)})",
    }


async def _state(log: BackfillLog, run: BackfillRun) -> str:
    if run.finished_at is not None:
        return "finished"
    if run.paused:
        return "paused"
    return "under way" if await log.is_held() else "stopped"


def _asked(run: BackfillRun) -> str:
    return f"{Wish.kept(run.wish)}, begun {run.started_at:%Y-%m-%d %H:%M} UTC"

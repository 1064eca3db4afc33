"""How far a back-fill is, in our own schema: a crash at any moment loses nothing of it.

Photos are noted before their jobs are queued, and forgotten when Immich's tables show that the job
was done. Whoever goes on after a crash queues the noted ones again: a job that waits is taken once.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from immich_aio.domain.backfill import TRIES, BackfillProgress
from immich_aio.domain.immich import Shape
from immich_aio.domain.refresh import Refresh
from immich_aio.errors import ElsewhereError
from immich_aio.store.backfill_photos import NAMES, Place
from immich_aio.store.database import Database
from immich_aio.store.named_sql import NamedSql

_SQL = NamedSql(resources.files(__package__) / "backfill.sql", Shape.V3_1)


@dataclass(frozen=True, slots=True)
class BackfillRun:
    """A back-fill as it was left, or stands now."""

    wish: Mapping[str, Any]
    """Which photos, as it was asked for on the command line."""
    started_at: datetime
    finished_at: datetime | None
    paused: bool
    reached: Place | None
    progress: BackfillProgress


class BackfillLog:
    """The record of one task's back-fill."""

    def __init__(self, database: Database, refresh: Refresh) -> None:
        self._database = database
        self._task = NAMES[refresh]

    async def run(self) -> BackfillRun | None:
        """The one that is under way, or was the last; None before the first."""
        if await self._database.row(_SQL["has_table"]) is None:
            return None
        row = await self._database.row(_SQL["run"], task=self._task)
        if row is None:
            return None
        speed = row["done"] / row["seconds"] if row["seconds"] else 0.0
        return BackfillRun(
            wish=row["wish"],
            started_at=row["startedAt"],
            finished_at=row["finishedAt"],
            paused=row["paused"],
            reached=None if row["reachedId"] is None else Place(row["reachedAt"], row["reachedId"]),
            progress=BackfillProgress(row["total"], row["done"], row["failed"], speed),
        )

    async def now(self) -> datetime:
        """The database's clock, by which Immich notes when a photo came."""
        row = await self._database.row(_SQL["now"])
        assert row is not None  # noqa: S101  # every server has the time
        moment = row["now"]
        assert isinstance(moment, datetime)  # noqa: S101
        return moment

    async def begin(self, wish: Mapping[str, Any], started_at: datetime, total: int) -> None:
        """Begin one, in the place of the last."""
        async with self._database.connection() as connection, connection.transaction():
            await self._forget(connection)
            values = {"wish": Jsonb(dict(wish)), "started_at": started_at, "total": total}
            await connection.execute(_SQL["begin"], {"task": self._task, **values})

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Be the only process that is at it. Raises ElsewhereError where another is."""
        async with self._database.connection() as connection:
            row = await (await connection.execute(_SQL["lock"], {"task": self._task})).fetchone()
            if row is None or not row["held"]:
                raise ElsewhereError
            try:
                yield
            finally:
                with contextlib.suppress(psycopg.Error):  # a connection that broke holds nothing
                    await connection.execute(_SQL["unlock"], {"task": self._task})

    async def is_held(self) -> bool:
        """Whether a process is at it."""
        row = await self._database.row(_SQL["is_locked"], task=self._task)
        return row is not None and bool(row["held"])

    async def pause(self, *, paused: bool) -> None:
        """Let it wait, or go on."""
        await self._database.run(_SQL["pause"], task=self._task, paused=paused)

    async def forget(self) -> None:
        """Forget it; jobs that are queued are done all the same."""
        async with self._database.connection() as connection, connection.transaction():
            await self._forget(connection)

    async def finish(self) -> None:
        """All its photos were taken, and none is under way."""
        await self._database.run(_SQL["finish"], task=self._task)

    async def under_way(self) -> dict[UUID, str | None]:
        """The photos that were taken and are not settled, with what stood there before."""
        rows = await self._database.rows(_SQL["under_way"], task=self._task)
        return {row["id"]: row["mark"] for row in rows}

    async def take(self, taken: Mapping[UUID, str | None], reached: Place, done: int) -> None:
        """Note photos whose jobs are queued next, and so many that somebody did meanwhile."""
        async with self._database.connection() as connection, connection.transaction():
            values = {"reached_at": reached.at, "reached_id": reached.id, "done": done}
            await connection.execute(_SQL["reach"], {"task": self._task, **values})
            values = {"ids": list(taken), "marks": list(taken.values())}
            await connection.execute(_SQL["take"], {"task": self._task, **values})

    async def take_again(self, taken: Mapping[UUID, str | None]) -> None:
        """Note failed photos whose jobs are queued once more."""
        values = {"ids": list(taken), "marks": list(taken.values())}
        await self._database.run(_SQL["take_again"], task=self._task, **values)

    async def failed_once(self, limit: int) -> list[UUID]:
        """Failed photos that are to be tried again."""
        values = {"tries": TRIES, "limit": limit}
        rows = await self._database.rows(_SQL["failed_once"], task=self._task, **values)
        return [row["id"] for row in rows]

    async def failed(self) -> list[str]:
        """The names of the photos that failed."""
        rows = await self._database.rows(_SQL["failed"], task=self._task)
        return [row["name"] for row in rows]

    async def settle(
        self, done: Collection[UUID], failed: Collection[UUID], seconds: float
    ) -> None:
        """Note how jobs ended, and for how long somebody was at it since the last time."""
        async with self._database.connection() as connection, connection.transaction():
            one, gone = {"task": self._task}, 0
            if done:
                await connection.execute(_SQL["settle_done"], one | {"ids": list(done)})
            if failed:
                values = one | {"ids": list(failed)}
                gone = (await connection.execute(_SQL["settle_gone"], values)).rowcount
                await connection.execute(_SQL["settle_failed"], values)
            counted = {"done": len(done), "gone": gone, "seconds": seconds}
            await connection.execute(_SQL["count"], one | counted)

    async def forgive(self, ids: Collection[UUID]) -> None:
        """Let the last try of failed photos not count, for it was not their fault."""
        await self._database.run(_SQL["forgive"], task=self._task, ids=list(ids))

    async def _forget(self, connection: AsyncConnection[DictRow]) -> None:
        """In this order nothing remains that is noted at the same time."""
        await connection.execute(_SQL["forget"], {"task": self._task})
        await connection.execute(_SQL["forget_photos"], {"task": self._task})

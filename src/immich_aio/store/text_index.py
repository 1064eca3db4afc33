"""The text index: one row a photo with text, in a schema of our own in Immich's database.

Whoever writes holds its lock, and writes over the connection that holds it: if that breaks, both
are gone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from immich_aio.domain.immich import Shape
from immich_aio.errors import InternalError, UnavailableError
from immich_aio.store.database import Database
from immich_aio.store.documents import COPY_END, COPY_HEAD, Document
from immich_aio.store.named_sql import NamedSql
from immich_aio.store.text.folding import FORMAT
from immich_aio.store.text.grams import HALVES

COPIES = 1000
"""Vectors and dates that are copied in one transaction."""
_SQL = NamedSql(resources.files(__package__) / "text_index.sql", Shape.V3_1)


@dataclass(frozen=True, slots=True)
class Moment:
    """Up to where Immich's tables have been seen: a snapshot of its transactions."""

    horizon: str
    """No row that a transaction with a smaller number wrote is still to be looked at."""
    place: str
    """In which tables of which server that number has its meaning."""


@dataclass(frozen=True, slots=True)
class State:
    """What the index was made by, and up to where it has followed."""

    segmenter: str | None
    format: int | None
    moment: Moment | None
    """None where everything is to be compared."""

    def is_made_by(self, segmenter: str) -> bool:
        """Whether documents made now are like those that are there."""
        return (self.segmenter, self.format) == (segmenter, FORMAT)


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """The index in figures."""

    documents: int
    bytes: int
    segmenter: str | None
    """None before it was made."""
    format: int | None
    form: int
    """The number of the newest migration."""
    followed_at: datetime | None
    """When something was last taken over from Immich, or everything compared with it."""


class TextIndex:
    """The index, for whoever holds its lock."""

    def __init__(self, connection: AsyncConnection[DictRow]) -> None:
        self.connection = connection

    async def state(self) -> State:
        """What it was made by, and up to where it has followed."""
        row = await (await self.connection.execute(_SQL["state"])).fetchone()
        if row is None:
            raise InternalError("The table immich_aio.state is empty: run 'immich-aio index drop'.")
        moment = Moment(row["horizon"], row["place"]) if row["horizonCounts"] else None
        return State(row["segmenter"], row["format"], moment)

    async def remember(self, segmenter: str, moment: Moment) -> None:
        """Note by what it is made, and up to where it has followed."""
        values = {"horizon": moment.horizon, "place": moment.place}
        await self.connection.execute(
            _SQL["remember"], values | {"segmenter": segmenter, "format": FORMAT}
        )

    async def change(self, new: Sequence[Document], gone: Sequence[UUID]) -> int:
        """Write some documents and delete others, inside the caller's transaction.

        How many there were of those to be deleted.
        """
        if new:
            await self.connection.execute(_SQL["make_incoming"])
            rows = b"".join(document.packed() for document in new)
            async with self.connection.cursor().copy(_SQL["copy_incoming"]) as copy:
                await copy.write(COPY_HEAD + rows + COPY_END)
            half = HALVES[new[0].reading.asset_id.int % 2]
            await self.connection.execute(_SQL["upsert"], {"half": half})
        return (await self.connection.execute(_SQL["delete"], {"ids": list(gone)})).rowcount

    async def replace(
        self, batches: AsyncIterator[list[Document]], segmenter: str, moment: Moment
    ) -> int:
        """Make the index anew beside the old one, which serves until the new one takes over.

        How many documents it has. A crash at any point leaves the old one whole.
        """
        await self._execute("drop_new", "make_new")
        count = 0
        async with self.connection.cursor().copy(_SQL["copy_new"]) as copy:
            await copy.write(COPY_HEAD)
            async for batch in batches:
                await copy.write(b"".join(document.packed() for document in batch))
                count += len(batch)
            await copy.write(COPY_END)
        await self._lay_out()
        async with self.connection.transaction():
            await self._execute("more_memory", "key_of_new", "index_new")
            await self._execute("dimensions_of_new", "dates_of_new")
        await self._execute("analyze_new")
        async with self.connection.transaction():
            await self._execute("have_patience_here", "drop_old", "take_over")
            await self._execute("take_over_key", "take_over_grams")
            await self._execute("take_over_dimensions", "take_over_dates")
            await self.remember(segmenter, moment)
        return count

    async def _lay_out(self) -> None:
        """Put the texts, with their vectors beside them, where they are to stay."""
        row = await (await self.connection.execute(_SQL["how_to_lay_out"])).fetchone()
        if row is not None:
            await self.connection.execute(row["statement"])
        await self._execute("fill_new", "drop_copied")

    async def refresh_copies(self) -> int:
        """Copy the vectors and dates that have changed since; so many texts had others."""
        count, last = 0, COPIES
        while last == COPIES:
            cursor = await self.connection.execute(_SQL["refresh_copies"], {"limit": COPIES})
            last = cursor.rowcount
            count += last
        return count

    async def _execute(self, *names: str) -> None:
        for name in names:
            await self.connection.execute(_SQL[name])


@asynccontextmanager
async def writing(database: Database, *, wait: bool) -> AsyncIterator[TextIndex | None]:
    """Hold the index's lock; without ``wait``, None where another process holds it."""
    async with database.connection() as connection:
        row = await (_wait_for_lock if wait else _try_lock)(connection)
        if row is not None and row.get("held") is False:
            yield None
            return
        try:
            yield TextIndex(connection)
        finally:
            try:
                await connection.execute(_SQL["unlock"])
            except psycopg.Error:
                await connection.close()  # and the lock with it


async def _wait_for_lock(connection: AsyncConnection[DictRow]) -> None:
    try:
        for name in ("have_patience", "lock", "have_none"):
            await connection.execute(_SQL[name])
    except BaseException:
        await connection.close()  # it may have patience, and whoever has it next must not
        raise


async def _try_lock(connection: AsyncConnection[DictRow]) -> DictRow | None:
    return await (await connection.execute(_SQL["try_lock"])).fetchone()


async def index_status(database: Database) -> IndexStatus | None:
    """The index in figures; None where there is none."""
    if await database.row(_SQL["has_index"]) is None:
        return None
    row = await database.row(_SQL["status"])
    if row is None:
        raise UnavailableError("The index is being removed.")
    return IndexStatus(
        documents=row["documents"],
        bytes=row["bytes"],
        segmenter=row["segmenter"],
        format=row["format"],
        form=row["form"],
        followed_at=row["followedAt"],
    )


async def drop_index(database: Database) -> bool:
    """Take everything of ours out of Immich's database, once nobody writes; whether there was any.

    That is the whole schema, with whatever else stands in it.
    """
    async with writing(database, wait=True):
        was_there = await database.row(_SQL["has_schema"]) is not None
        await database.run(_SQL["drop"])
    return was_there

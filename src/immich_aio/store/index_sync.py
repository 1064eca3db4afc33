"""Keeps the text index as Immich's tables are: by polling, without a trigger or a lock on them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib import resources
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from immich_aio.errors import InternalError, UnavailableError
from immich_aio.store.database import Database
from immich_aio.store.documents import Document, Reading, documents
from immich_aio.store.immich_guard import ImmichTables
from immich_aio.store.meaning_index import keep_meaning_index
from immich_aio.store.named_sql import NamedSql
from immich_aio.store.text.segmentation import Segmenter
from immich_aio.store.text_index import Moment, State, TextIndex, writing

BATCH = 500
"""Photos that are taken over in one transaction."""
MANY = 2000
"""So many changes are taken over one by one, whatever share of the library they are."""
FASTER = 6
"""So many times as many photos a second are read by a rebuild: PostgreSQL makes a GIN index of
many rows much faster than it adds to one."""
SWEEP = 3600.0
"""Seconds after which everything is compared, whatever has been noticed meanwhile."""
REST = 20.0
"""So many times as long as a look took, nothing is looked at: at most 5 % of a core are used."""
COPIES_PAUSE = 20.0
"""Seconds between two looks for changed vectors and dates: each compares all of them."""
LONGEST_PAUSE = 60.0
"""Seconds between two attempts while the database cannot be reached."""
Advance = Callable[[int, int], None]
"""Told how many photos are done, of how many."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What one look at Immich's tables came to."""

    written: int = 0
    """Photos whose text is new or was read again."""
    removed: int = 0
    """Photos that are gone or have no text any more."""
    rebuilt: bool = False
    """The index was made anew: there was none, it was made by other means, or most has changed."""
    elsewhere: bool = False
    """Another process is at it, so nothing was done."""
    copied: int = 0
    """Photos with text whose CLIP vector or date is new."""


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at Immich's tables."""

    moment: Moment
    ids: list[UUID]
    """Photos that may have changed."""
    is_sweep: bool
    """All others were compared and have not."""


class IndexSync:
    """Follows Immich for one process; several may, for they keep apart by the index's lock."""

    def __init__(
        self,
        database: Database,
        tables: ImmichTables,
        segmenter: Segmenter,
        advance: Advance = lambda _done, _total: None,
    ) -> None:
        """``advance`` is told how far it is whenever the index is made anew by itself."""
        self._advance = advance
        self._database = database
        self._tables = tables
        self._segmenter = segmenter
        self._sql = NamedSql(resources.files(__package__) / "index_sync.sql", tables.shape)
        self._activity: str | None = None
        self._swept = float("-inf")
        self._copies_seen = float("-inf")
        self._copies_due = True

    async def once(self, *, sweep: bool = False) -> SyncReport:
        """Take over what has changed. The first time, and with ``sweep``, everything is compared.

        Costs one small query while nobody has written to the database.
        """
        sweep = sweep or time.monotonic() - self._swept > SWEEP
        activity = await self._current_activity()
        idle = activity == self._activity
        if idle and not sweep and not self._looks_at_copies():
            return SyncReport()
        async with writing(self._database, wait=False) as index:
            if index is None:
                return SyncReport(elsewhere=True)
            report = SyncReport() if idle and not sweep else await self._follow(index, sweep=sweep)
            self._copies_due = self._copies_due or not idle
            if sweep or self._looks_at_copies():
                report = replace(report, copied=await self._refresh_copies(index))
        if sweep or report.rebuilt:
            self._swept = time.monotonic()
        self._activity = activity
        return report

    def _looks_at_copies(self) -> bool:
        return self._copies_due and time.monotonic() - self._copies_seen > COPIES_PAUSE

    async def _refresh_copies(self, index: TextIndex) -> int:
        self._copies_due, self._copies_seen = False, time.monotonic()
        count = await index.refresh_copies()
        if await keep_meaning_index(index.connection, self._tables):
            _LOG.info("Index over the vectors of texts made: words in very many are found faster.")
        return count

    async def rebuild(self, advance: Advance = lambda _done, _total: None) -> SyncReport:
        """Make the index anew, while the old one serves."""
        async with writing(self._database, wait=True) as index:
            if index is None:
                raise InternalError("A lock that was waited for was not got.")
            return await self._rebuild(index, advance)

    async def behind(self) -> int:
        """So many photos have changed in Immich and are still to be taken over."""
        async with self._database.connection() as connection:
            index = TextIndex(connection)
            look = await self._look(index, await index.state(), sweep=False)
            return sum([len(await self._readings(index, batch)) for batch, _ in _batches(look.ids)])

    async def photos_with_text(self) -> int:
        """Of so many photos Immich has visible lines."""
        async with self._database.connection() as connection:
            return await self._total(connection)

    async def run(self, interval: float) -> None:
        """Follow until cancelled; a database that is away is waited for.

        Raises UnavailableError when the index is taken away meanwhile.
        """
        failures = 0
        while True:
            began = time.monotonic()
            try:
                report = await self.once()
            except psycopg.errors.UndefinedTable as error:
                raise UnavailableError(
                    f"The text index was removed ({error}). Start anew to have it made again."
                ) from error
            except psycopg.OperationalError as error:
                failures += 1
                _LOG.warning("The text index does not follow Immich for now: %s", error)
            else:
                failures = 0
                _log(report)
            await asyncio.sleep(pause(interval, time.monotonic() - began, failures))

    async def _current_activity(self) -> str:
        """What is another text as soon as any transaction has written anything."""
        row = await self._database.row(self._sql["activity"])
        return "" if row is None else str(row["activity"])

    async def _follow(self, index: TextIndex, *, sweep: bool) -> SyncReport:
        state = await index.state()
        if not state.is_made_by(self._segmenter.name):
            return await self._rebuild(index, self._advance)
        look = await self._look(index, state, sweep=sweep)
        if len(look.ids) > MANY and not look.is_sweep:
            look = await self._look(index, state, sweep=True)  # which of them have truly changed
        if len(look.ids) > MANY and len(look.ids) * FASTER > await self._total(index.connection):
            return await self._rebuild(index, self._advance)
        return await self._take_over(index, look)

    async def _look(self, index: TextIndex, state: State, *, sweep: bool) -> _Look:
        """What may have changed since the state was noted, and the moment of this look."""
        async with _snapshot(index.connection):
            moment = await self._moment(index.connection)
            if sweep or state.moment is None or state.moment.place != moment.place:
                statement, horizon = "different", None
            else:
                statement, horizon = "changed", state.moment.horizon
            cursor = await index.connection.execute(self._sql[statement], {"horizon": horizon})
            ids = [row["assetId"] for row in await cursor.fetchall()]
        return _Look(moment, ids, is_sweep=statement == "different")

    async def _take_over(self, index: TextIndex, look: _Look) -> SyncReport:
        """Batch by batch; the moment is noted with the last, so a crash loses nothing."""
        written = removed = 0
        for batch, is_last in _batches(look.ids):
            new, gone = await self._changes(index, batch)
            async with index.connection.transaction():
                removed += await index.change(new, gone)
                written += len(new)
                if is_last:
                    await index.remember(self._segmenter.name, look.moment)
        if look.is_sweep and not look.ids:
            await index.remember(self._segmenter.name, look.moment)
        return SyncReport(written=written, removed=removed)

    async def _changes(
        self, index: TextIndex, ids: list[UUID]
    ) -> tuple[list[Document], list[UUID]]:
        """The documents of those photos whose lines have changed, and those that have none now."""
        rows = await self._readings(index, ids)
        readings = [_reading(row) for row in rows if row["text"] is not None]
        new = await documents(readings, self._segmenter)
        kept = {document.reading.asset_id for document in new}
        return new, [row["assetId"] for row in rows if row["assetId"] not in kept]

    async def _readings(self, index: TextIndex, ids: list[UUID]) -> list[DictRow]:
        """The visible lines of those photos whose document was made from others."""
        cursor = await index.connection.execute(self._sql["readings_of"], {"ids": ids})
        return await cursor.fetchall()

    async def _rebuild(self, index: TextIndex, advance: Advance) -> SyncReport:
        """The connection that reads lets go of Immich's tables before the other one looks at them:
        PostgreSQL would not see that it waits for the other, and Immich for both, for ever.
        """
        async with AsyncExitStack() as reading:
            reader = await reading.enter_async_context(self._database.connection())
            await reading.enter_async_context(_snapshot(reader))
            moment = await self._moment(reader)
            batches = self._all(reader, advance, reading.aclose)
            written = await index.replace(batches, self._segmenter.name, moment)
        return SyncReport(written=written, rebuilt=True)

    async def _all(
        self,
        reader: AsyncConnection[DictRow],
        advance: Advance,
        when_read: Callable[[], Awaitable[None]],
    ) -> AsyncIterator[list[Document]]:
        done, total = 0, await self._total(reader)
        advance(done, total)
        async with reader.cursor("readings") as cursor:
            await cursor.execute(self._sql["all_readings"])
            while rows := await cursor.fetchmany(BATCH):
                yield await documents([_reading(row) for row in rows], self._segmenter)
                done += len(rows)
                advance(done, total)
        await when_read()

    async def _total(self, connection: AsyncConnection[DictRow]) -> int:
        """Photos with visible lines."""
        row = await (await connection.execute(self._sql["count_readings"])).fetchone()
        return 0 if row is None else int(row["count"])

    async def _moment(self, connection: AsyncConnection[DictRow]) -> Moment:
        row = await (await connection.execute(self._sql["moment"])).fetchone()
        if row is None:
            raise InternalError("PostgreSQL told no snapshot.")
        return Moment(row["horizon"], row["place"])


@asynccontextmanager
async def _snapshot(connection: AsyncConnection[DictRow]) -> AsyncIterator[None]:
    """Statements that all see the same state of the database."""
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _batches(ids: list[UUID]) -> Iterator[tuple[list[UUID], bool]]:
    """Batch by batch, and whether it is the last."""
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH], start + BATCH >= len(ids)


def _reading(row: DictRow) -> Reading:
    return Reading(row["assetId"], row["text"], row["confidence"] or 0.0, row["signature"])


def pause(interval: float, took: float, failures: int) -> float:
    """Seconds until the next look: longer after a long one, and after several failed ones."""
    if failures:
        return max(interval, min(interval * 2.0 ** min(failures, 16), LONGEST_PAUSE))
    return max(interval, REST * took)


def _log(report: SyncReport) -> None:
    if report.rebuilt:
        _LOG.info("Text index made: %d photos.", report.written)
    elif report.written or report.removed:
        _LOG.info("Text index: %d photos read, %d gone.", report.written, report.removed)

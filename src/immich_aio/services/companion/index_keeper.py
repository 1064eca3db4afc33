"""Keeps search ready in the background: the database, the guard over its tables, the text index.

Whatever is in the way is waited for, and told; meanwhile there are no ``parts``, and Immich answers
as ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg
from psycopg_pool import PoolTimeout

from immich_aio.errors import AioError, UnavailableError
from immich_aio.services.companion.keeper_status import IndexFigures, KeeperStatus, State
from immich_aio.store.asset_search import AssetQueries
from immich_aio.store.database import Database
from immich_aio.store.explanation import Explainer
from immich_aio.store.immich_guard import ImmichTables, immich_tables
from immich_aio.store.index_sync import IndexSync, SyncReport, pause
from immich_aio.store.migration import migrate
from immich_aio.store.search import PhotoSearch
from immich_aio.store.search_request import SearchOptions
from immich_aio.store.text.folding import FORMAT
from immich_aio.store.text.segmentation import Segmenter, Wish, choose_segmenter
from immich_aio.store.text_index import index_status

PATIENCE = 3.0
"""Seconds that a search waits for a connection to the database."""
BELIEVED = 1.0
"""Seconds for which a connection that was used is taken to work still."""
SOON = 0.5
RETRY = 5.0
"""Seconds until the first, and between later attempts to reach a database that is away."""
GUARD = 30.0
"""Seconds between two looks at whether Immich's tables are still as they were."""
REFUSED = 60.0
"""Seconds after which the guard is asked again that has refused: Immich may have been updated."""
CATCHING_UP = 0.1
"""Seconds between two looks while somebody waits for the index to be right."""
WARM_UP = "预热"
"""Cut before the first query, for which a dictionary may have to be loaded."""
AWAY = (psycopg.OperationalError, PoolTimeout, OSError)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SearchParts:
    """What searches are done with, while all is well."""

    database: Database
    tables: ImmichTables
    queries: AssetQueries
    search: PhotoSearch
    explainer: Explainer


@dataclass(frozen=True, slots=True)
class KeeperConfig:
    """See the settings of the same meaning. Without a ``database_url`` search is off."""

    database_url: str | None
    options: SearchOptions
    segmenter: Wish = "auto"
    interval: float = 2.0


class IndexKeeper:
    """One task in the background; ``parts`` are there while search works."""

    def __init__(self, config: KeeperConfig) -> None:
        self._config = config
        self._parts: SearchParts | None = None
        self._sync: IndexSync | None = None
        self._task: asyncio.Task[None] | None = None
        self._check: asyncio.Task[None] | None = None
        self._is_suspected = False
        first = State.CONNECTING if config.database_url else State.OFF
        reason = (
            "" if config.database_url else "Set DB_HOSTNAME and DB_PASSWORD as Immich has them."
        )
        self._status = KeeperStatus(first, reason)

    @property
    def parts(self) -> SearchParts:
        """What searches are done with. Raises UnavailableError while search does not work."""
        if self._parts is None or self._is_suspected:
            reason = self._status.reason
            raise UnavailableError(f"Search is off: {self._status.state.value}. {reason}".strip())
        return self._parts

    @property
    def is_ready(self) -> bool:
        """Whether there are ``parts``."""
        return self._parts is not None and not self._is_suspected

    def status(self) -> KeeperStatus:
        """How search stands; nobody is asked for it."""
        return self._status

    async def figures(self) -> IndexFigures:
        """The index in figures. Raises UnavailableError while search does not work."""
        parts = self.parts
        try:
            found = await index_status(parts.database)
            if found is None or self._sync is None:
                raise UnavailableError("There is no text index yet.")
            behind = await self._sync.behind()
            return IndexFigures(found, behind, await self._sync.photos_with_text())
        except AWAY as error:
            self.suspect(error)
            raise UnavailableError(f"Immich's database cannot be reached: {error}.") from error

    def suspect(self, error: Exception) -> None:
        """Somebody waited in vain for the database: nobody does again before it has answered."""
        if isinstance(error, (TimeoutError, *AWAY)) and self.is_ready:
            self._is_suspected = True
            self._set(state=State.AWAY, reason=_said(error))
            self._check = asyncio.create_task(self._until_it_answers())

    async def catch_up(self, seconds: float) -> None:
        """Have what has changed until now taken over at once, as far as that takes no longer."""
        with contextlib.suppress(TimeoutError, AioError, psycopg.Error, *AWAY):
            async with asyncio.timeout(seconds):
                while self._sync is not None and await self._sync.behind():
                    await self._sync.once()
                    await asyncio.sleep(CATCHING_UP)

    async def start(self) -> None:
        """Begin in the background."""
        if self._config.database_url is not None:
            self._task = asyncio.create_task(self._keep(self._config.database_url))

    async def close(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=PATIENCE)
        if self._check is not None:
            self._check.cancel()

    async def _until_it_answers(self) -> None:
        """Try to connect, for the keeper itself may be at something long."""
        while self._is_suspected:
            try:
                await _try(str(self._config.database_url))
            except (TimeoutError, psycopg.Error, OSError):
                await asyncio.sleep(RETRY)
            else:
                self._trust()

    def _trust(self) -> None:
        self._is_suspected = False
        if self._parts is not None:
            self._set(state=State.READY, reason="")

    async def _keep(self, url: str) -> None:
        """For ever: connect, look, follow; and anew after whatever went wrong."""
        while True:
            rest = REFUSED
            try:
                await self._with_database(url)
            except psycopg.errors.UndefinedTable:
                self._set(state=State.REMOVED, reason="Start anew to have it made again.")
                _LOG.warning("The text index was removed, so search is off until the next start.")
                return
            except AWAY as error:
                rest = RETRY if self._status.state is State.AWAY else SOON
                self._failed(State.AWAY, _said(error))
            except AioError as error:
                self._failed(State.REFUSED, error.message)
            except psycopg.Error as error:
                self._failed(State.REFUSED, f"Immich's database refuses: {_said(error)}")
            except Exception as error:  # noqa: BLE001  # whatever it is, search must not end for good
                _LOG.exception("Search is off, and Immich answers as ever.")
                self._set(state=State.AWAY, reason=_said(error))
                rest = REFUSED
            finally:
                self._parts = self._sync = None
            await asyncio.sleep(rest)

    async def _with_database(self, url: str) -> None:
        await _try(url)
        database = Database(url, patience=PATIENCE, believed=BELIEVED, gives_way=True)
        try:
            await database.open()
            while True:
                await self._with_tables(database, await immich_tables(database))
                _LOG.info("Immich's tables have changed, so search begins anew.")
        finally:
            await database.close()

    async def _with_tables(self, database: Database, tables: ImmichTables) -> None:
        """Search and follow for as long as the tables stay as they are."""
        self._set(tables=tables)
        segmenter = await choose_segmenter(database, self._config.segmenter)
        await migrate(database)
        self._sync = IndexSync(database, tables, segmenter, self._advance)
        await self._make(database, self._sync, segmenter)
        self._ready(database, tables, segmenter)
        try:
            await self._follow(database, tables, self._sync)
        finally:
            self._parts = None
            self._set(state=State.CONNECTING)

    async def _make(self, database: Database, sync: IndexSync, segmenter: Segmenter) -> None:
        """Have the index made, by us or another process, where there is none of this kind."""
        while not await _is_made_by(database, segmenter):
            self._set(state=State.MAKING, reason="", segmenter=segmenter.name)
            if (await sync.once()).elsewhere:
                await asyncio.sleep(self._config.interval)
        await segmenter.words([WARM_UP])

    def _ready(self, database: Database, tables: ImmichTables, segmenter: Segmenter) -> None:
        options = self._config.options
        self._parts = SearchParts(
            database,
            tables,
            AssetQueries(tables.shape),
            PhotoSearch(database, tables, segmenter, options),
            Explainer(database, tables, options.weights),
        )
        self._set(segmenter=segmenter.name)
        self._trust()
        _LOG.info("Search works: the text index is there, and follows Immich.")

    async def _follow(self, database: Database, tables: ImmichTables, sync: IndexSync) -> None:
        """Until the tables have changed; or the database is away, which is an error."""
        guarded = time.monotonic()
        while True:
            began = time.monotonic()
            self._heard(await self._looked(database, sync))
            if time.monotonic() - guarded > GUARD:
                guarded = time.monotonic()
                if await immich_tables(database) != tables:
                    return
            rest = pause(self._config.interval, time.monotonic() - began, failures=0)
            await asyncio.sleep(rest)

    async def _looked(self, database: Database, sync: IndexSync) -> SyncReport:
        try:
            return await sync.once()
        except psycopg.errors.UndefinedTable:
            await immich_tables(database)  # are Immich's there, or is a backup being restored?
            raise

    def _heard(self, report: SyncReport) -> None:
        status = self._status
        self._trust()
        self._set(
            looked_at=datetime.now(UTC),
            written=status.written + report.written,
            removed=status.removed + report.removed,
            elsewhere=report.elsewhere,
        )
        if report.rebuilt:
            _LOG.info("Text index made: %d photos.", report.written)

    def _advance(self, done: int, total: int) -> None:
        self._set(done=done, total=total)

    def _failed(self, state: State, reason: str) -> None:
        if (self._status.state, self._status.reason) != (state, reason):
            _LOG.warning("Search is off, and Immich answers as ever: %s", reason)
        self._set(state=state, reason=reason)

    def _set(self, **changes: object) -> None:
        self._status = replace(self._status, **changes)  # type: ignore[arg-type]  # of one type each


async def _try(url: str) -> None:
    """Connect once: a pool would try for long, and then not say what is wrong."""
    connection = await psycopg.AsyncConnection.connect(url, connect_timeout=10)
    await connection.close()


async def _is_made_by(database: Database, segmenter: Segmenter) -> bool:
    status = await index_status(database)
    return status is not None and (status.segmenter, status.format) == (segmenter.name, FORMAT)


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__

"""The photos of a back-fill, in Immich's tables, which are only read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from uuid import UUID

from psycopg.rows import DictRow

from immich_aio.domain.asset_search import AssetFilters, SearchScope
from immich_aio.domain.backfill import Scope
from immich_aio.domain.immich import Shape
from immich_aio.domain.refresh import Hindrance, Marks, Refresh, Subject, hindrance
from immich_aio.store.asset_search import AssetQueries, Selection
from immich_aio.store.database import Database
from immich_aio.store.named_sql import NamedSql

NAMES = {Refresh.OCR: "ocr", Refresh.SMART_SEARCH: "clip"}
"""What a task is called on the command line, and in our tables."""
_MARKS = {Refresh.OCR: "marks_ocr", Refresh.SMART_SEARCH: "marks_smart_search"}
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which photos a back-fill is about."""

    refresh: Refresh
    scope: Scope
    filters: AssetFilters
    owner: UUID | None
    """None for everybody's."""
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Extent:
    """How many photos can be done, and how many cannot, by the reason."""

    possible: int
    hindered: dict[Hindrance, int]


@dataclass(frozen=True, slots=True)
class Place:
    """A photo's place in the order in which photos are taken."""

    at: datetime
    id: UUID


class BackfillPhotos:
    """Photos of one task, in tables of one shape."""

    def __init__(self, database: Database, shape: Shape, wanted: Wanted) -> None:
        self._database = database
        self._wanted = wanted
        self._queries = AssetQueries(shape)
        folder = resources.files(__package__)
        self._sql = NamedSql(folder / "backfill.sql", shape)
        self._marks = NamedSql(folder / "refresh.sql", shape)[_MARKS[wanted.refresh]]

    async def extent(self) -> Extent:
        """How many there are."""
        rows = await self._rows(self._selection(), "select_hindered", "group_hindered")
        refresh, counts = self._wanted.refresh, Counter[Hindrance | None]()
        for row in rows:
            one = Subject(_NOBODY, row["hidden"], row["previews"], row["unedited"])
            counts[hindrance(refresh, one)] += row["photos"]
        hindered = {why: count for why, count in counts.items() if why is not None}
        return Extent(counts[None], hindered)

    async def beyond(self, reached: Place | None, limit: int) -> list[Place]:
        """The photos that follow, newest first, by when they came to Immich: that never changes."""
        selection = self._selection()
        selection.conditions += [self._sql[f"possible_{self._name}"], self._sql["beyond"]]
        selection.parameters |= {
            "reached_at": None if reached is None else reached.at,
            "reached_id": None if reached is None else reached.id,
            "limit": limit,
        }
        rows = await self._rows(selection, "select_next", "newest_first")
        return [Place(row["at"], row["id"]) for row in rows]

    async def marks(self, ids: Iterable[UUID]) -> Marks:
        """What stands there of when each was done; those are missing of which it never was."""
        rows = await self._database.rows(self._marks, ids=list(ids))
        return {row["id"]: row["mark"] for row in rows}

    async def proven(self) -> UUID | None:
        """A photo of which it has been done before, so that it should succeed again."""
        row = await self._database.row(self._sql[f"proven_{self._name}"])
        return None if row is None else row["id"]

    async def is_switched_off(self) -> bool:
        """Whether Immich's settings in its database say so; its worker drops such jobs."""
        if await self._database.row(self._sql["has_settings"]) is None:
            return False
        row = await self._database.row(self._sql["switches"])
        return row is not None and "false" in (row["everything"], row[self._name])

    @property
    def _name(self) -> str:
        return NAMES[self._wanted.refresh]

    def _selection(self) -> Selection:
        wanted = self._wanted
        scope = SearchScope(None if wanted.owner is None else (wanted.owner,), elevated=True)
        selection = self._queries.filtered(wanted.filters, scope, wherever_shown=True)
        selection.join(self._sql["join_previews"])
        selection.conditions.append(self._sql["here_before"])
        selection.parameters["started_at"] = wanted.started_at
        if wanted.scope is Scope.MISSING:
            selection.conditions.append(self._sql[f"missing_{self._name}"])
        return selection

    async def _rows(self, selection: Selection, select: str, rest: str) -> list[DictRow]:
        parts = (self._sql[select], self._sql["from_asset"], selection.sql, self._sql[rest])
        return await self._database.rows("\n".join(parts), **selection.parameters)

"""Immich's own searches: the SQL that Immich sends for a search, in the shape of its release.

The filters are Immich's to the letter, so whoever searches Immich's tables otherwise can take them
from here: ``filtered`` gives joins, conditions and parameters alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from importlib import resources
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from immich_aio.domain.asset_search import (
    UNSET,
    AssetFilters,
    AssetSearch,
    MetadataSearch,
    SearchScope,
    SmartSearch,
)
from immich_aio.domain.immich import Order, Shape, Visibility
from immich_aio.domain.tokens import search_tokens
from immich_aio.store.named_sql import NamedSql

_OF_EXIF = ("city", "state", "country", "make", "model", "lens_model", "rating", "description")
_BY_JOIN = {"person_ids": "join_persons", "album_ids": "join_albums", "tag_ids": "join_tags"}
_APART = frozenset({"visibility", "with_deleted", "with_stacked", "is_not_in_album", *_BY_JOIN})


@dataclass(slots=True)
class Selection:
    """Which assets: what follows ``FROM asset``, without order and page."""

    joins: list[LiteralString] = field(default_factory=list)
    conditions: list[LiteralString] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)

    def join(self, sql: LiteralString) -> None:
        """Add a join, once."""
        if sql not in self.joins:
            self.joins.append(sql)

    @property
    def sql(self) -> LiteralString:
        """The joins and the WHERE clause."""
        where = " AND ".join(f"({condition})" for condition in self.conditions) or "true"
        return "\n".join(self.joins) + "\nWHERE " + where


class AssetQueries:
    """Immich's searches over tables of one shape."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._sql = NamedSql(resources.files(__package__) / "asset_search.sql", shape)

    async def by_date(
        self, connection: AsyncConnection[DictRow], search: MetadataSearch, scope: SearchScope
    ) -> list[DictRow]:
        """One page of ``/search/metadata``, and one row more where there is another page."""
        order = "newest_first" if search.order is Order.DESC else "oldest_first"
        selection = self.filtered(search.filters, scope)
        return await self._page(connection, search, selection, self._sql[order])

    async def by_vector(
        self,
        connection: AsyncConnection[DictRow],
        search: SmartSearch,
        scope: SearchScope,
        embedding: str,
    ) -> list[DictRow]:
        """One page of ``/search/smart``, and one row more where there is another page.

        ``embedding`` is the vector as pgvector and Immich spell it. A vector of the wrong size is
        PostgreSQL's error, as it is in Immich.
        """
        selection = self.filtered(search.filters, scope)
        selection.join(self._sql["join_vector"])
        selection.parameters["embedding"] = embedding
        async with connection.transaction():
            await connection.execute(self._sql["one_probe"])
            return await self._page(connection, search, selection, self._sql["nearest_first"])

    async def by_id(self, connection: AsyncConnection[DictRow], asset_id: UUID) -> DictRow | None:
        """One asset with its faces, wherever it is and whosever it is."""
        selection = Selection(conditions=[self._sql["id"]], parameters={"id": asset_id})
        columns = [self._sql["columns"], self._sql["faces_column"]]
        parts = (self._sql["select"], ", ".join(columns), self._sql["from_asset"], selection.sql)
        cursor = await connection.execute("\n".join(parts), selection.parameters)
        return await cursor.fetchone()

    async def of_ids(
        self,
        connection: AsyncConnection[DictRow],
        search: AssetSearch,
        scope: SearchScope,
        ids: Sequence[UUID],
    ) -> list[DictRow]:
        """Those of some assets that a search finds, as its pages have them; in no order."""
        selection = self.filtered(search.filters, scope)
        selection.conditions.append(self._sql["ids"])
        selection.parameters["ids"] = list(ids)
        statement = self._statement(search, selection)
        cursor = await connection.execute(statement, selection.parameters)
        return await cursor.fetchall()

    def filtered(
        self, filters: AssetFilters, scope: SearchScope, *, wherever_shown: bool = False
    ) -> Selection:
        """What a search may and wants to see.

        With ``wherever_shown``, and without a filter for that, 2.2 does not keep to the timeline.
        """
        selection = Selection()
        self._restrict(selection, filters, scope, wherever_shown=wherever_shown)
        for name, value in _given(filters).items():
            if name in _OF_EXIF:
                selection.join(self._sql["join_exif"])
            selection.conditions.append(self._sql[name if value is not None else f"no_{name}"])
            selection.parameters[name] = value.value if isinstance(value, Enum) else value
        for name, join in _BY_JOIN.items():
            if ids := getattr(filters, name):
                selection.join(self._sql[join])
                selection.parameters[name] = list(ids)
        self._special(selection, filters)
        return selection

    def _restrict(
        self,
        selection: Selection,
        filters: AssetFilters,
        scope: SearchScope,
        *,
        wherever_shown: bool,
    ) -> None:
        """Whose assets, of which visibility, and whether deleted ones too."""
        visibility = filters.visibility
        if visibility is None and self._shape is Shape.V2_2 and not wherever_shown:
            visibility = Visibility.TIMELINE
        if visibility is not None:
            selection.conditions.append(self._sql["visibility"])
            selection.parameters["visibility"] = visibility.value
        elif not scope.elevated:
            selection.conditions.append(self._sql["not_locked"])
        if scope.user_ids is not None:
            selection.conditions.append(self._sql["of_users"])
            selection.parameters["user_ids"] = list(scope.user_ids)
        trash = {filters.trashed_after, filters.trashed_before} != {UNSET}
        if not (filters.with_deleted or trash or filters.is_offline is True):
            selection.conditions.append(self._sql["not_deleted"])

    def _special(self, selection: Selection, filters: AssetFilters) -> None:
        """The filters that are more than a comparison."""
        new = self._shape is not Shape.V2_2
        if filters.tag_ids is None:
            selection.conditions.append(self._sql["untagged"])
        if filters.is_not_in_album and not filters.album_ids:
            selection.conditions.append(self._sql["is_not_in_album"])
        if filters.with_stacked is False and new:
            selection.conditions.append(self._sql["with_stacked"])
        if filters.encoded_video_path and new:
            selection.join(self._sql["join_encoded_video"])
        if filters.ocr:
            selection.join(self._sql["join_ocr"])
            # Before 3.x neither the stored text nor the query is cut into bigrams.
            selection.parameters["ocr"] = search_tokens(filters.ocr) if new else filters.ocr

    async def _page(
        self,
        connection: AsyncConnection[DictRow],
        search: AssetSearch,
        selection: Selection,
        order: LiteralString,
    ) -> list[DictRow]:
        statement = self._statement(search, selection)
        parts = (statement, self._sql["order_by"], order, self._sql["page"])
        page = {"limit": search.size + 1, "offset": (search.page - 1) * search.size}
        cursor = await connection.execute("\n".join(parts), selection.parameters | page)
        return await cursor.fetchall()

    def _statement(self, search: AssetSearch, selection: Selection) -> LiteralString:
        """What is selected, with the columns that the reply shall carry."""
        columns = [self._sql["columns"]]
        if search.with_exif:
            columns.append(self._sql["exif_column"])
            selection.join(self._sql["join_exif"])  # so assets without that row are left out
        if search.with_people or (self._shape is Shape.V2_2 and search.filters.person_ids):
            columns.append(self._sql["faces_column"])
        parts = (self._sql["select"], ", ".join(columns), self._sql["from_asset"], selection.sql)
        return "\n".join(parts)


def _given(filters: AssetFilters) -> dict[str, Any]:
    """The simple filters that were given. Null counts where Immich tells it from a missing one."""
    values = {
        one.name: getattr(filters, one.name)
        for one in dataclasses.fields(filters)
        if one.name not in _APART
    }
    defaults = {one.name: one.default for one in dataclasses.fields(filters)}
    return {name: value for name, value in values.items() if value is not defaults[name]}

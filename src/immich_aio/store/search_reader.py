"""Runs the statements of one search, inside its transaction, and reads hits from what they give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import DictRow, TupleRow, tuple_row

from immich_aio.domain.immich import Shape
from immich_aio.domain.ranking import Hit, best_first
from immich_aio.store.named_sql import NamedSql
from immich_aio.store.outline import Outline

LOOKED_AT, KEPT, SETTLED = 4, 5, 6
"""Columns of what gives the best of some texts: how many those were, how many of them the filters
keep, and whether none of the others can be better."""
WINDOW = 104
"""Assets in the vector index's order that are put into the order of their scores together."""
TELLING = 100
"""Texts that tell what share of all the filters keep."""
_SQL = NamedSql(resources.files(__package__) / "search.sql", Shape.V3_1)
AT_FIRST = _SQL["for_texts"]
"""What the transaction of a search begins with."""


class SearchReader:
    """The statements' parameters are those of the search, beside what each is given."""

    def __init__(
        self,
        connection: AsyncConnection[DictRow],
        parameters: Mapping[str, Any],
        *,
        text_weight: float,
        has_words: bool,
    ) -> None:
        self._connection = connection
        self._parameters = parameters
        self._text_weight = text_weight
        self._has_words = has_words
        self.kept_share: float | None = None
        """What share of texts the filters keep, if it is known: from before, or from now."""

    def over(self, connection: AsyncConnection[DictRow]) -> SearchReader:
        """The same over another connection."""
        return SearchReader(
            connection,
            self._parameters,
            text_weight=self._text_weight,
            has_words=self._has_words,
        )

    async def set(self, settings: str, **parameters: str) -> None:
        """Settings of ``search.sql``, for the rest of the transaction."""
        await self._connection.execute(_SQL[settings], parameters)

    async def hits(
        self, statement: LiteralString, vector: str | None = None, **more: object
    ) -> list[Hit]:
        """What a statement gives, in its order."""
        return self._kept(await self.rows(statement, vector, **more))

    async def best(
        self,
        statement: LiteralString,
        vector: str | None = None,
        *,
        first: int,
        limit: int,
        **more: object,
    ) -> list[Hit]:
        """The best texts: of the first so many, or of all where filters leave too few of them."""
        rows = await self._first_rows(statement, vector, limit=limit, first=first, **more)
        hits = self._kept(rows)
        if len(hits) < limit and not _are_all(rows, first):
            hits = await self.hits(statement, vector, limit=limit, first=None, **more)
        return hits

    async def bounds(
        self, statement: LiteralString, vector: str | None, first: int, half: int | None = None
    ) -> list[TupleRow]:
        """What a statement of bounds gives, of all texts or of one half."""
        await self.set("for_bounds")
        return await self.rows(statement, vector, first=first, half=[half])

    async def best_of_outline(
        self, statement: LiteralString, vector: str | None, outline: Outline, *, limit: int
    ) -> list[Hit] | None:
        """The best texts, if the outline holds them for certain."""
        rows = await self._first_rows(statement, vector, limit=limit, **outline.parameters)
        hits = self._kept(rows)
        is_settled = len(hits) == limit and bool(rows[limit - 1][SETTLED])
        return hits if is_settled or outline.are_all else None

    async def _first_rows(
        self, statement: LiteralString, vector: str | None, **more: object
    ) -> list[TupleRow]:
        rows = await self.rows(statement, vector, **more)
        if rows and rows[0][LOOKED_AT] >= TELLING:
            self.kept_share = rows[0][KEPT] / rows[0][LOOKED_AT] or self.kept_share
        return rows

    async def in_windows(
        self, nearest: LiteralString, rest: LiteralString, vector: str, limit: int, **more: object
    ) -> list[Hit]:
        """What the vector index gives, put in order window by window, and what it does not give."""
        first = WINDOW * math.ceil(limit / WINDOW)
        rows = await self.hits(nearest, vector, limit=first, **more)
        windows = [rows[start : start + WINDOW] for start in range(0, len(rows), WINDOW)]
        hits = [hit for window in windows for hit in sorted(window, key=best_first)]
        if len(rows) < first and len(hits) < limit:
            await self.set("for_anything")
            found = [hit.asset_id for hit in hits]
            hits += await self.hits(rest, vector, limit=limit - len(hits), found_ids=found)
        return hits

    async def rows(
        self, statement: LiteralString, vector: str | None = None, **more: object
    ) -> list[TupleRow]:
        """The rows of a statement."""
        cursor = self._connection.cursor(binary=True, row_factory=tuple_row)
        meaning = {"embedding": vector, "rounded": vector}
        await cursor.execute(statement, {**self._parameters, **meaning, **more})
        return await cursor.fetchall()

    def _kept(self, rows: Sequence[TupleRow]) -> list[Hit]:
        """Without those that filters took away, which have no id."""
        return [self._hit(row) for row in rows if row[0] is not None]

    def _hit(self, row: TupleRow) -> Hit:
        asset_id, cosine, text_score, every = row[0], row[1], float(row[2]), row[3]
        score = (cosine or 0.0) + self._text_weight * text_score
        partial = text_score > 0 and not every and self._has_words
        return Hit(asset_id, score, cosine, text_score, partial)


def _are_all(rows: Sequence[TupleRow], first: int) -> bool:
    """Whether fewer texts than so many were there to be looked at."""
    return not rows or rows[0][LOOKED_AT] < first

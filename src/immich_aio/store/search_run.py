"""One search over one state of the database: its parts, found as ``search_plan`` decides."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import DictRow, TupleRow, tuple_row

from immich_aio.domain.immich import Shape
from immich_aio.domain.ranking import Hit, Weights, best_first
from immich_aio.domain.search_plan import (
    FEW,
    SHARED,
    Frequencies,
    Texts,
    plan_mixed,
    plan_text_only,
    rare_enough,
)
from immich_aio.domain.text_query import TextQuery
from immich_aio.store.asset_search import Selection
from immich_aio.store.immich_guard import ImmichTables
from immich_aio.store.named_sql import NamedSql
from immich_aio.store.search_request import Sought
from immich_aio.store.search_statements import Statements
from immich_aio.store.text_match import TextMatch
from immich_aio.store.word_match import misreadable

WINDOW = 104
"""Assets in the vector index's order that are put into the order of their scores together."""
MEANING_WINDOW = 156
"""The same where the index is over the vectors beside the texts: it gives many at once."""
SPARE = 4
"""How many times as many texts are put in order as are wanted, for filters take some away."""
MISREAD = 10_000
"""More texts than can have a word misread: its grams that are in more are not looked for."""
PEEK = 16
"""Assets nearest to the meaning that tell whether any without text can be among the best."""
NO_SCORE = -math.inf
MANY = 5000
"""Texts that are looked at where none has all words."""
BUDGET = 3
"""How many times the assets are looked at that should hold a page of texts, newest first."""
_ANY_SHARE = 1e-9
_SQL = NamedSql(resources.files(__package__) / "search.sql", Shape.V3_1)
AT_FIRST = _SQL["for_texts"]
"""What the transaction of a search begins with."""


class SearchRun:
    """A search under way, inside its transaction, which has begun with ``AT_FIRST``."""

    def __init__(
        self,
        connection: AsyncConnection[DictRow],
        tables: ImmichTables,
        selection: Selection,
        sought: Sought,
        is_frequent: Callable[[list[int]], bool],
        weights: Weights,
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._selection = selection
        self.sought = sought
        self._text = sought.text
        self._frequencies = sought.frequencies
        self._weights = weights
        self._rarities = sought.rarities
        self._match = TextMatch.of(
            sought.text, self._rarities, weights, sought.misread, is_frequent
        )

    async def count(self, limit: int) -> int:
        """How many assets the filters leave, up to a limit."""
        await self._set("for_anything")
        rows = await self._rows(self._statements(Texts.NONE)["counted"], limit=limit)
        await self._set("for_texts")
        return int(rows[0][0])

    async def texts_alone(self, library: int, limit: int, *, every: bool) -> list[Hit]:
        """By text only. With ``every`` those with all words; if there are none, those with most."""
        if not self._text.conditions:
            await self._set("for_anything")
            newest = "newest_with_text" if every else "newest"
            return await self._hits(self._statements(Texts.NONE)[newest], limit=limit)
        if not every:
            return await self._best(self._statements(Texts.SOME)["texts"], limit=limit)
        statements = self._statements(Texts.ALL)
        hits: list[Hit] = []
        if plan_text_only(self._frequencies) is Texts.STREAM:
            assets = BUDGET * limit * library / max(self._frequencies.with_all, 1)
            budget = min(math.ceil(assets), library)
            weights = self._weights
            perfect = weights.words + weights.together + weights.phrase - 1e-9
            hits = await self._hits(
                statements["newest_perfect"], limit=limit, budget=budget, perfect=perfect
            )
        if len(hits) < limit:
            hits = await self._best(statements["texts"], limit=limit)
        return hits or await self._texts_with_most(limit)

    async def _texts_with_most(self, limit: int) -> list[Hit]:
        """Texts with some of the words; where the rare ones are not seen, with frequent ones."""
        hits: list[Hit] = []
        for numbers in self._rarest_first():
            any_word = self._match.any_of(numbers)
            statements = self._counting(any_word)
            hits = await self._best(statements["texts"], limit=limit, least=_ANY_SHARE)
            if hits:
                break
        return hits

    async def all_scored(self, vector: str, limit: int) -> list[Hit]:
        """Each asset scored."""
        exact = self._statements(self._plan).exact
        return await self._hits(exact, vector, limit=limit)

    async def texts_with_meaning(self, vector: str, limit: int) -> list[Hit]:
        """Assets whose texts count, best first."""
        plan = self._plan
        if plan is Texts.NONE:
            return []
        statements = self._statements(plan)
        if plan is Texts.STREAM and self._frequencies.by_meaning:
            return await self._by_meaning(statements, vector, limit)
        if plan is Texts.STREAM:
            await self._follow_index()
            nearest, rest = statements["nearest_texts"], statements.rest_of_texts
            return await self._in_windows(nearest, rest, vector, limit)
        return await self._best(statements["matched"], vector, limit=limit)

    async def others(self, vector: str, limit: int, least: float) -> list[Hit]:
        """Assets whose texts do not count, nearest first; where the index ends, each is scored.

        Fewer where none can score more than ``least``.
        """
        statements = self._statements(self._plan)
        await self._follow_index()
        if least > NO_SCORE and limit > 2 * WINDOW:  # else all are as soon there as a few
            first = await self._hits(statements["nearest"], vector, limit=PEEK)
            if len(first) == PEEK and max(hit.score for hit in first) < least:
                return []
        nearest, rest = statements["nearest"], statements.rest_without_text
        return await self._in_windows(nearest, rest, vector, limit)

    async def _best(
        self, statement: LiteralString, vector: str | None = None, *, limit: int, **more: object
    ) -> list[Hit]:
        """The best texts; first of so many that the filters should leave enough, else of all."""
        if self._frequencies.with_all > SHARED:
            await self._set("for_many_texts")
        more |= {"limit": limit}
        first = max(SPARE * limit, MISREAD) if self.sought.misread else SPARE * limit
        hits = await self._hits(statement, vector, first=first, **more)
        if len(hits) < limit and self._frequencies.most > first:
            hits = await self._hits(statement, vector, first=None, **more)
        return hits

    async def _in_windows(
        self, nearest: LiteralString, rest: LiteralString, vector: str, limit: int
    ) -> list[Hit]:
        """What the vector index gives, put in order window by window, and what it does not give."""
        first = WINDOW * math.ceil(limit / WINDOW)
        rows = await self._hits(nearest, vector, limit=first)
        windows = [rows[start : start + WINDOW] for start in range(0, len(rows), WINDOW)]
        hits = [hit for window in windows for hit in sorted(window, key=best_first)]
        if len(rows) < first and len(hits) < limit:
            await self._set("for_anything")
            found = [hit.asset_id for hit in hits]
            hits += await self._hits(rest, vector, limit=limit - len(hits), found_ids=found)
        return hits

    async def _by_meaning(self, statements: Statements, vector: str, limit: int) -> list[Hit]:
        """The same by the index over the vectors beside the texts, and by their scores beyond."""
        await self._set("for_meaning")
        first = MEANING_WINDOW * math.ceil(limit / MEANING_WINDOW)
        by_meaning = statements["texts_by_meaning"]
        hits = await self._hits(by_meaning, vector, limit=limit, first=first, window=MEANING_WINDOW)
        if len(hits) < limit:
            await self._set("for_anything")
            await self._set("for_texts")
            rest = self._counting(self._match.all_of(), every_word=True).rest_matched
            found = [hit.asset_id for hit in hits]
            hits += await self._best(rest, vector, limit=limit - len(hits), found_ids=found)
        return hits

    def _rarest_first(self) -> Iterator[list[int]]:
        """The rarest words, for a text with none of them has little of the query; then one more."""
        counts = self._frequencies.by_condition
        order = sorted(range(len(counts)), key=lambda number: (counts[number], number))
        sums = itertools.accumulate(counts[number] for number in order)
        few = max(sum(total <= MANY for total in sums), 1)
        return (order[:size] for size in range(few, len(order) + 1))

    @property
    def _plan(self) -> Texts:
        return plan_mixed(self._frequencies, self._shares, self._weights.least)

    @property
    def _shares(self) -> list[float]:
        total = sum(self._rarities)
        return [one / total for one in self._rarities]

    def _statements(self, plan: Texts) -> Statements:
        if plan is Texts.NONE:
            return self._counting("false")
        if plan is Texts.SOME:
            rare = rare_enough(self._shares, self._weights.least)
            return self._counting(self._match.any_of(rare))
        if plan is Texts.STREAM:  # the texts themselves tell faster than their grams
            return self._counting("true", every_word=True)
        return self._counting(self._match.all_of(), every_word=True)

    def _counting(self, candidates: LiteralString, *, every_word: bool = False) -> Statements:
        return Statements(
            self._selection,
            self._match,
            candidates,
            self._tables.half_vectors,
            self._tables.dimensions,
            every_word,
        )

    async def _follow_index(self) -> None:
        """Have the order of vectors come from Immich's index."""
        if self._tables.vector_index == "vchordrq":
            await self._set("for_vchordrq", probes="1")
        else:
            await self._set("for_hnsw" if self._tables.iterative_scan else "for_old_hnsw")

    async def _set(self, settings: str, **parameters: str) -> None:
        await self._connection.execute(_SQL[settings], parameters)

    async def _hits(
        self, statement: LiteralString, vector: str | None = None, **more: object
    ) -> list[Hit]:
        return [self._hit(row) for row in await self._rows(statement, vector, **more)]

    async def _rows(
        self, statement: LiteralString, vector: str | None = None, **more: object
    ) -> list[TupleRow]:
        cursor = self._connection.cursor(row_factory=tuple_row)
        await cursor.execute(statement, self._parameters(vector, **more))
        return await cursor.fetchall()

    def _parameters(self, vector: str | None, **more: object) -> dict[str, Any]:
        own: dict[str, Any] = {
            "embedding": vector,
            "rounded": vector,
            "dimensions": self._tables.dimensions,
            "text_weight": self._weights.text,
            "least": self._weights.least,
        }
        return own | self._selection.parameters | self._match.parameters | more

    def _hit(self, row: TupleRow) -> Hit:
        asset_id, cosine, text_score, every = row[0], row[1], float(row[2]), row[3]
        score = (cosine or 0.0) + self._weights.text * text_score
        partial = text_score > 0 and not every and bool(self._text.conditions)
        return Hit(asset_id, score, cosine, text_score, partial)


def sought_in(text: TextQuery, frequencies: Frequencies) -> Sought:
    """What is looked for, where words are so frequent."""
    return Sought(text, frequencies, _misread(text, frequencies))


def _misread(text: TextQuery, frequencies: Frequencies) -> frozenset[int]:
    """The words that are so rare, alone or together, that they are also looked for misread."""
    few_have_all = frequencies.with_all < FEW
    return frozenset(
        number
        for number, needles in enumerate(text.conditions)
        if any(misreadable(one) for one in needles)
        and (
            frequencies.by_condition[number] < FEW
            or (few_have_all and any(one.part_of for one in needles))
        )
    )

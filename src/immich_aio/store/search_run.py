"""One search over one state of the database: its parts, found as ``search_plan`` decides."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import LiteralString

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from immich_aio.domain.ranking import Hit, Weights, are_enough
from immich_aio.domain.search_plan import Texts, plan_mixed, plan_text_only, rare_enough
from immich_aio.store.asset_search import Selection
from immich_aio.store.immich_guard import ImmichTables
from immich_aio.store.search_reader import WINDOW, SearchReader
from immich_aio.store.search_request import Sought
from immich_aio.store.search_statements import Statements
from immich_aio.store.text_match import TextMatch

MEANING_WINDOW = 156
"""The same where the index is over the vectors beside the texts: it gives many at once."""
NEAR, MIN_EF, MAX_EF = 300, 400, 1000
"""Of the texts that such an index looks at, so many should have the word, for it to miss few; the
least and the most that it looks at at once, which is all that pgvector allows."""
SPARE = 4
"""How many times as many texts are put in order as are wanted, for filters take some away, where it
is not known how many."""
MARGIN, A_FEW = 1.25, 32
"""The same where it is known: so many times what should be enough, and a few more."""
MISREAD = 10_000
"""More texts than can have a word misread: its grams that are in more are not looked for."""
OUTLINED = 4
"""How many times as many texts must have all words as are then read, for their scores to be bounded
before."""
AT_ONCE = 2 * WINDOW
"""Up to so many assets are as soon there as a few."""
KNOWN = 4
"""Up to one in so many of what is wanted, found already, is left out of the rest by its ID: that is
faster than to look at each text."""
MANY = 5000
"""Texts that are looked at where none has all words."""
BUDGET = 2
"""How many times the texts are looked at that should hold a page of matches, newest first."""
_ANY_SHARE = 1e-9


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
        self._tables = tables
        self._selection = selection
        self.sought = sought
        self._text = sought.text
        self._frequencies = sought.frequencies
        self._weights = weights
        self._rarities = sought.rarities
        self._match = TextMatch.of(
            sought.text,
            self._rarities,
            weights,
            sought.misread,
            is_frequent,
            in_a_row=sought.frequencies.are_in_a_row,
        )
        own = {
            "dimensions": tables.dimensions,
            "text_weight": weights.text,
            "least": weights.least,
        }
        self._reader = SearchReader(
            connection,
            {**own, **selection.parameters, **self._match.parameters},
            text_weight=weights.text,
            has_words=bool(sought.text.conditions),
        )

    @property
    def kept_share(self) -> float | None:
        """What share of texts the filters keep, if it is known: from before, or from now."""
        return self._reader.kept_share

    @kept_share.setter
    def kept_share(self, share: float | None) -> None:
        self._reader.kept_share = share

    def over(self, connection: AsyncConnection[DictRow]) -> SearchRun:
        """The same over another connection, which sees the same."""
        beside = copy(self)
        beside.read_over(connection)
        return beside

    def read_over(self, connection: AsyncConnection[DictRow]) -> None:
        """Have it use that connection from now on."""
        self._reader = self._reader.over(connection)

    async def count(self, limit: int) -> int:
        """How many assets the filters leave, up to a limit."""
        await self._reader.set("for_anything")
        rows = await self._reader.rows(self._statements(Texts.NONE)["counted"], limit=limit)
        await self._reader.set("for_texts")
        return int(rows[0][0])

    async def texts_alone(self, limit: int, *, every: bool) -> list[Hit]:
        """By text only. With ``every`` those with all words; if there are none, those with most."""
        if not self._text.conditions:
            await self._reader.set("for_anything")
            newest = "newest_with_text" if every else "newest"
            return await self._reader.hits(self._statements(Texts.NONE)[newest], limit=limit)
        if not every:
            return await self._best(self._statements(Texts.SOME)["texts"], limit=limit)
        statements = self._statements(Texts.ALL)
        hits: list[Hit] = []
        if plan_text_only(self._frequencies) is Texts.STREAM:
            texts_a_match = self._frequencies.documents / max(self._frequencies.with_all, 1)
            budget = math.ceil(BUDGET * self._enough(limit) * texts_a_match)
            weights = self._weights
            perfect = weights.words + weights.together + weights.phrase - 1e-9
            hits = await self._reader.hits(
                statements["newest_perfect"], limit=limit, budget=budget, perfect=perfect
            )
        if len(hits) < limit:
            names = ("outlined_texts", "texts")
            hits = await self._best_of_all(statements, names, None, limit)
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
        return await self._reader.hits(exact, vector, limit=limit)

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
            return await self._reader.in_windows(nearest, rest, vector, limit)
        if plan is Texts.ALL:
            return await self._best_of_all(statements, ("outlined", "matched"), vector, limit)
        return await self._best(statements["matched"], vector, limit=limit)

    async def others(
        self, vector: str, limit: int, matched: Sequence[Hit] | None = None
    ) -> list[Hit]:
        """Assets whose texts do not count, nearest first; where the index ends, each is scored.

        Where it is known what ``matched``, fewer if no more can be among the best beside those.
        """
        statements = self._statements(self._plan)
        nearest, rest = statements["nearest"], statements.rest_without_text
        await self._follow_index()
        if matched is None or limit <= AT_ONCE:
            return await self._reader.in_windows(nearest, rest, vector, limit)
        known = [hit.asset_id for hit in matched]
        if len(known) <= limit / KNOWN:
            nearest = statements["nearest_unknown"]
        # Mostly what matches is among the best, and the others are what that leaves of them.
        few = max(limit - len(known), WINDOW)
        hits = await self._reader.in_windows(nearest, rest, vector, few, known_ids=known)
        if len(hits) < few or are_enough(matched, hits, limit):
            return hits
        return await self._reader.in_windows(nearest, rest, vector, limit, known_ids=known)

    async def _best_of_all(
        self, statements: Statements, names: tuple[str, str], vector: str | None, limit: int
    ) -> list[Hit]:
        """The best texts with all words. Of many, first by their bounds, for few are read then.

        ``names`` are of the statement that does so, and of the one that reads all.
        """
        outlined, scored = names
        first = self._enough(limit)
        if self._frequencies.with_all >= OUTLINED * first and not self.sought.misread:
            dense = self._frequencies.are_dense
            await self._reader.set("for_many_texts" if dense else "for_bounds")
            hits = await self._reader.best_of_outline(
                statements[outlined], vector, first=first, limit=limit
            )
            if hits is not None:
                return hits
        return await self._best(statements[scored], vector, limit=limit)

    async def _best(
        self, statement: LiteralString, vector: str | None = None, *, limit: int, **more: object
    ) -> list[Hit]:
        """The best texts; first of so many that the filters should leave enough, else of all."""
        if self._frequencies.are_shared:
            await self._reader.set("for_many_texts")
        first = self._enough(limit)
        if self.sought.misread and not self._reader.kept_share:
            first = max(first, MISREAD)  # for to read all of them again takes long
        return await self._reader.best(statement, vector, first=first, limit=limit, **more)

    def _enough(self, limit: int) -> int:
        """Of so many texts the filters should leave as many as are wanted."""
        share = self._reader.kept_share
        return math.ceil(MARGIN * limit / share) + A_FEW if share else SPARE * limit

    async def _by_meaning(self, statements: Statements, vector: str, limit: int) -> list[Hit]:
        """The same by the index over the vectors beside the texts, and by their scores beyond."""
        texts_a_match = self._frequencies.documents / max(self._frequencies.with_all, 1)
        ef_search = min(max(math.ceil(NEAR * texts_a_match), MIN_EF), MAX_EF)
        await self._reader.set("for_meaning", ef_search=str(ef_search))
        first = MEANING_WINDOW * math.ceil(limit / MEANING_WINDOW)
        by_meaning = statements["texts_by_meaning"]
        hits = await self._reader.hits(
            by_meaning, vector, limit=limit, first=first, window=MEANING_WINDOW
        )
        if len(hits) < limit:
            await self._reader.set("for_anything")
            await self._reader.set("for_texts")
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
            await self._reader.set("for_vchordrq", probes="1")
        else:
            await self._reader.set("for_hnsw" if self._tables.iterative_scan else "for_old_hnsw")

"""One search over one state of the database: its parts, found as ``search_plan`` decides."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import copy
from typing import LiteralString

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from immich_aio.domain.ranking import Hit, are_enough
from immich_aio.domain.search_plan import Texts, plan_text_only
from immich_aio.store.outline import Outline
from immich_aio.store.planned_search import PlannedSearch
from immich_aio.store.search_reader import WINDOW, SearchReader
from immich_aio.store.search_statements import Statements
from immich_aio.store.text_bounds import outline

MEANING_WINDOW = 156
"""``WINDOW`` where the index is over the vectors beside the texts: it gives many at once."""
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
BUDGET = 2
"""How many times the texts are looked at that should hold a page of matches, newest first."""
_ANY_SHARE = 1e-9
Beside = Callable[[], AbstractAsyncContextManager[AsyncConnection[DictRow] | None]]
"""Gives a second connection that sees the same; None if none is idle."""


class SearchRun:
    """A search under way, inside its transaction, which has begun with ``AT_FIRST``."""

    def __init__(
        self, planned: PlannedSearch, connection: AsyncConnection[DictRow], beside: Beside
    ) -> None:
        self.planned = planned
        self._frequencies = planned.frequencies
        self._beside = beside
        self._outline: Outline | None = None
        self._reader = SearchReader(
            connection,
            planned.parameters,
            text_weight=planned.weights.text,
            has_words=planned.has_words,
        )
        self._readers = [self._reader]

    @property
    def kept_share(self) -> float | None:
        """What share of texts the filters keep, if it is known: from before, or from now."""
        return self._reader.kept_share

    @kept_share.setter
    def kept_share(self, share: float | None) -> None:
        self._reader.kept_share = share

    @asynccontextmanager
    async def helped(self) -> AsyncIterator[SearchRun | None]:
        """With the same over a second connection, which takes its half of what can be shared.

        None where no connection is idle.
        """
        async with self._beside() as second:
            if second is None:
                yield None
                return
            helper = copy(self)
            helper._reader = self._reader.over(second)  # noqa: SLF001  # its own copy
            self._readers.append(helper._reader)  # noqa: SLF001  # as above
            try:
                yield helper
            finally:
                self._readers.pop()

    async def look_ahead(self, vector: str, limit: int) -> None:
        """Bound the texts now, if the helper is to have a share, before it looks for the others."""
        is_shared = self._frequencies.are_halved(alone=False) and self._are_outlined(limit)
        if is_shared and self.planned.plan is Texts.ALL:
            statements = self.planned.statements(Texts.ALL)
            self._outline = await self._outlined(statements, "bounds", vector, limit)

    async def count(self, limit: int) -> int:
        """How many assets the filters leave, up to a limit."""
        await self._reader.set("for_anything")
        counted = self.planned.statements(Texts.NONE)["counted"]
        rows = await self._reader.rows(counted, limit=limit)
        await self._reader.set("for_texts")
        return int(rows[0][0])

    async def texts_alone(self, limit: int, *, every: bool) -> list[Hit]:
        """By text only. With ``every`` those with all words; if there are none, those with most."""
        if not self.planned.has_words:
            await self._reader.set("for_anything")
            newest = "newest_with_text" if every else "newest"
            return await self._reader.hits(self.planned.statements(Texts.NONE)[newest], limit=limit)
        if not every:
            return await self._best(self.planned.statements(Texts.SOME)["texts"], limit=limit)
        statements = self.planned.statements(Texts.ALL)
        hits: list[Hit] = []
        if plan_text_only(self._frequencies) is Texts.STREAM:
            hits = await self._newest(statements, limit)
        if len(hits) < limit:
            names = ("bounds_of_texts", "outlined_texts", "texts")
            hits = await self._best_of_all(statements, names, None, limit)
        return hits or await self._texts_with_most(limit)

    async def _newest(self, statements: Statements, limit: int) -> list[Hit]:
        """Of the newest texts those that match as well as any can."""
        weights = self.planned.weights
        return await self._reader.hits(
            statements["newest_perfect"],
            limit=limit,
            budget=math.ceil(BUDGET * self._enough(limit) * self.planned.texts_a_match),
            perfect=weights.words + weights.together + weights.phrase - 1e-9,
        )

    async def _texts_with_most(self, limit: int) -> list[Hit]:
        """Texts with some of the words; where the rare ones are not seen, with frequent ones."""
        hits: list[Hit] = []
        for statements in self.planned.rarest_first():
            hits = await self._best(statements["texts"], limit=limit, least=_ANY_SHARE)
            if hits:
                break
        return hits

    async def all_scored(self, vector: str, limit: int) -> list[Hit]:
        """Each asset scored."""
        exact = self.planned.statements(self.planned.plan).exact
        return await self._reader.hits(exact, vector, limit=limit)

    async def texts_with_meaning(self, vector: str, limit: int) -> list[Hit]:
        """Assets whose texts count, best first."""
        plan = self.planned.plan
        if plan is Texts.NONE:
            return []
        statements = self.planned.statements(plan)
        if plan is Texts.STREAM and self._frequencies.by_meaning:
            return await self._by_meaning(statements, vector, limit)
        if plan is Texts.STREAM:
            await self._follow_index()
            nearest, rest = statements["nearest_texts"], statements.rest_of_texts
            return await self._reader.in_windows(nearest, rest, vector, limit)
        if plan is Texts.ALL:
            names = ("bounds", "outlined", "matched")
            return await self._best_of_all(statements, names, vector, limit)
        return await self._best(statements["matched"], vector, limit=limit)

    async def others(
        self, vector: str, limit: int, matched: Sequence[Hit] | None = None
    ) -> list[Hit]:
        """Assets whose texts do not count, nearest first; where the index ends, each is scored.

        Where it is known what ``matched``, fewer if no more can be among the best beside those.
        """
        statements = self.planned.statements(self.planned.plan)
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
        self, statements: Statements, names: tuple[str, str, str], vector: str | None, limit: int
    ) -> list[Hit]:
        """The best texts with all words. Of many, first by their bounds, for few are read then.

        ``names`` are of the statements that bound them, read the highest, and read all.
        """
        bounds, outlined, scored = names
        if self._are_outlined(limit):
            found = self._outline or await self._outlined(statements, bounds, vector, limit)
            hits = await self._reader.best_of_outline(
                statements[outlined], vector, found, limit=limit
            )
            if hits is not None:
                return hits
        return await self._best(statements[scored], vector, limit=limit)

    def _are_outlined(self, limit: int) -> bool:
        """Whether texts with all words are so many that they are bounded first."""
        many = OUTLINED * self._enough(limit)
        return self._frequencies.with_all >= many and not self.planned.sought.misread

    async def _outlined(
        self, statements: Statements, name: str, vector: str | None, limit: int
    ) -> Outline:
        """The texts with the highest bounds, by two connections where they are many."""
        first = self._enough(limit)
        halved = self._frequencies.are_halved(alone=vector is None)
        if halved and len(self._readers) == 1:
            async with self.helped():
                return await outline(self._readers, statements, name, vector, first)
        readers = self._readers if halved else [self._reader]
        return await outline(readers, statements, name, vector, first)

    async def _best(
        self, statement: LiteralString, vector: str | None = None, *, limit: int, **more: object
    ) -> list[Hit]:
        """The best texts; first of so many that the filters should leave enough, else of all."""
        if self._frequencies.are_shared:
            await self._reader.set("for_many_texts")
        first = self._enough(limit)
        if self.planned.sought.misread and not self._reader.kept_share:
            first = max(first, MISREAD)  # for to read all of them again takes long
        return await self._reader.best(statement, vector, first=first, limit=limit, **more)

    def _enough(self, limit: int) -> int:
        """Of so many texts the filters should leave as many as are wanted."""
        share = self._reader.kept_share
        return math.ceil(MARGIN * limit / share) + A_FEW if share else SPARE * limit

    async def _by_meaning(self, statements: Statements, vector: str, limit: int) -> list[Hit]:
        """The same by the index over the vectors beside the texts, and by their scores beyond."""
        await self._reader.set("for_meaning", ef_search=str(self.planned.ef_search))
        first = MEANING_WINDOW * math.ceil(limit / MEANING_WINDOW)
        by_meaning = statements["texts_by_meaning"]
        hits = await self._reader.hits(
            by_meaning, vector, limit=limit, first=first, window=MEANING_WINDOW
        )
        if len(hits) < limit:
            await self._reader.set("for_anything")
            await self._reader.set("for_texts")
            rest = self.planned.statements(Texts.ALL).rest_matched
            found = [hit.asset_id for hit in hits]
            hits += await self._best(rest, vector, limit=limit - len(hits), found_ids=found)
        return hits

    async def _follow_index(self) -> None:
        """Have the order of vectors come from Immich's index."""
        if self.planned.tables.vector_index == "vchordrq":
            await self._reader.set("for_vchordrq", probes="1")
        else:
            iterative = self.planned.tables.iterative_scan
            await self._reader.set("for_hnsw" if iterative else "for_old_hnsw")

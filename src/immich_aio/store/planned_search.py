"""One search before it is run: how its texts are to be found, and its statements."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, LiteralString

from immich_aio.domain.ranking import Weights
from immich_aio.domain.search_plan import Frequencies, Texts, plan_mixed, rare_enough
from immich_aio.store.asset_search import Selection
from immich_aio.store.immich_guard import ImmichTables
from immich_aio.store.search_request import Sought
from immich_aio.store.search_statements import Statements
from immich_aio.store.text_match import TextMatch

MANY = 5000
"""Texts that are looked at where none has all words."""
NEAR, MIN_EF, MAX_EF = 300, 400, 1000
"""Of the texts that the index over their vectors looks at, so many should have the word, for it to
miss few; the least and the most that it looks at at once, which is all that pgvector allows."""


class PlannedSearch:
    """What is looked for, where, and by which statements."""

    def __init__(
        self,
        tables: ImmichTables,
        selection: Selection,
        sought: Sought,
        is_frequent: Callable[[list[int]], bool],
        weights: Weights,
    ) -> None:
        self.tables = tables
        self.sought = sought
        self.weights = weights
        self._selection = selection
        self._rarities = sought.rarities
        self._match = TextMatch.of(
            sought.text,
            self._rarities,
            weights,
            sought.misread,
            is_frequent,
            in_a_row=sought.frequencies.are_in_a_row,
        )

    @property
    def frequencies(self) -> Frequencies:
        """How many texts have the words."""
        return self.sought.frequencies

    @property
    def has_words(self) -> bool:
        """Whether texts count at all."""
        return bool(self.sought.text.conditions)

    @property
    def parameters(self) -> dict[str, Any]:
        """What all of its statements take."""
        own = {
            "dimensions": self.tables.dimensions,
            "text_weight": self.weights.text,
            "least": self.weights.least,
        }
        return {**own, **self._selection.parameters, **self._match.parameters}

    @cached_property
    def plan(self) -> Texts:
        """How to find the texts that count beside the meaning."""
        return plan_mixed(self.frequencies, self._shares, self.weights.least)

    @property
    def texts_a_match(self) -> float:
        """In how many texts one has all words."""
        return self.frequencies.documents / max(self.frequencies.with_all, 1)

    @property
    def ef_search(self) -> int:
        """So many texts the index over their vectors should look at at once."""
        return min(max(math.ceil(NEAR * self.texts_a_match), MIN_EF), MAX_EF)

    def statements(self, plan: Texts) -> Statements:
        """The statements where texts are found like that."""
        if plan is Texts.NONE:
            return self._counting("false")
        if plan is Texts.SOME:
            rare = rare_enough(self._shares, self.weights.least)
            return self._counting(self._match.any_of(rare))
        if plan is Texts.STREAM:  # the texts themselves tell faster than their grams
            return self._counting("true", every_word=True)
        return self._counting(self._match.all_of(), every_word=True)

    def rarest_first(self) -> Iterator[Statements]:
        """With the rarest words, for a text with none has little of the query; then one more."""
        counts = self.frequencies.by_condition
        order = sorted(range(len(counts)), key=lambda number: (counts[number], number))
        sums = itertools.accumulate(counts[number] for number in order)
        few = max(sum(total <= MANY for total in sums), 1)
        for size in range(few, len(order) + 1):
            yield self._counting(self._match.any_of(order[:size]))

    @cached_property
    def _shares(self) -> list[float]:
        total = sum(self._rarities)
        return [one / total for one in self._rarities]

    def _counting(self, candidates: LiteralString, *, every_word: bool = False) -> Statements:
        return Statements(
            self._selection,
            self._match,
            candidates,
            self.tables.half_vectors,
            self.tables.dimensions,
            every_word,
        )

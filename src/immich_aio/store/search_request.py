"""What a search asks for, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from immich_aio.domain.asset_search import AssetFilters, SearchScope
from immich_aio.domain.ranking import Hit, Weights, rarity
from immich_aio.domain.search_plan import FEW, Frequencies
from immich_aio.domain.search_query import SearchQuery
from immich_aio.domain.text_query import TextQuery
from immich_aio.store.word_match import misreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """One page of a search. Pages count from 1; ``size`` is how many a page has."""

    query: SearchQuery
    filters: AssetFilters
    scope: SearchScope
    page: int = 1
    size: int = 100

    @property
    def offset(self) -> int:
        """How many come before this page."""
        return (self.page - 1) * self.size


@dataclass(frozen=True, slots=True)
class Sought:
    """What a search looked for in texts: all that its text scores depend on beside the texts."""

    text: TextQuery
    frequencies: Frequencies
    misread: frozenset[int]
    """The numbers of the conditions whose words were also looked for with a character misread."""

    @classmethod
    def of(cls, text: TextQuery, frequencies: Frequencies) -> Sought:
        """What is looked for, where words are so frequent.

        Those that are so rare, alone or together, are also looked for misread.
        """
        few_have_all = frequencies.with_all < FEW
        misread = frozenset(
            number
            for number, needles in enumerate(text.conditions)
            if any(misreadable(one) for one in needles)
            and (
                frequencies.by_condition[number] < FEW
                or (few_have_all and any(one.part_of for one in needles))
            )
        )
        return cls(text, frequencies, misread)

    @property
    def rarities(self) -> list[float]:
        """By condition: the weight of its word."""
        documents = self.frequencies.documents
        return [rarity(count, documents) for count in self.frequencies.by_condition]


@dataclass(frozen=True, slots=True)
class SearchPage:
    """What was found on a page, best first."""

    hits: tuple[Hit, ...]
    has_more: bool
    sought: Sought
    earlier: tuple[UUID, ...] = ()
    """What stands on the pages before, in its order."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How searches are carried out."""

    weights: Weights
    exact_limit: int = 5000
    """Assets up to which each is scored, and no index of vectors is asked."""

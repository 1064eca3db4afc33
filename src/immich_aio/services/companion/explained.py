"""A search whose results say why they stand where they stand, for people."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.rows import DictRow

from immich_aio.domain.asset_search import AssetFilters, AssetSearch
from immich_aio.domain.explanation import Explanation
from immich_aio.domain.immich import Visibility
from immich_aio.domain.ranking import Hit
from immich_aio.domain.search_query import SearchQuery, parse_query
from immich_aio.errors import UnavailableError
from immich_aio.services.companion.caller import Caller
from immich_aio.services.companion.searching import Found, Searcher, Wish
from immich_aio.store.viewers import Label

TIMELINE = AssetFilters(visibility=Visibility.TIMELINE)
"""What Immich's own search box looks through."""


@dataclass(frozen=True, slots=True)
class ExplainedResult:
    """One result: its place, counted from 1, what it is called, and why it stands there.

    ``explanation.lines`` have the corners of each line in which words were found.
    """

    rank: int
    hit: Hit
    label: Label
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class ExplainedPage:
    """One page of results, best first."""

    query: SearchQuery
    results: tuple[ExplainedResult, ...]
    number: int
    has_more: bool
    words: tuple[tuple[str, ...], ...]
    """What was looked for in texts: each of these, by any of its spellings."""
    excluded: tuple[str, ...]
    reason: str
    """Why meaning did not count, where it should have; empty where all is well."""


async def explained(
    searcher: Searcher, caller: Caller, text: str, *, page: int = 1, size: int = 20
) -> ExplainedPage:
    """Search the timeline as Immich's search box does, in the caller's name.

    Raises ForbiddenError where the caller may not search, and UnavailableError, with what is in the
    way, while search does not work.
    """
    query = parse_query(text)
    wish = Wish(query=query, filters=TIMELINE, page=page, size=size)
    try:
        found = await searcher.find(caller, wish)
        results = await _results(found, (page - 1) * size)
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        raise UnavailableError(f"Immich's database refused the search: {said}") from error
    sought = found.page.sought.text
    return ExplainedPage(
        query=query,
        results=results,
        number=page,
        has_more=found.page.has_more,
        words=tuple(tuple(needle.text for needle in one) for one in sought.conditions),
        excluded=tuple(needle.text for needle in sought.excluded),
        reason=found.reason,
    )


async def _results(found: Found, before: int) -> tuple[ExplainedResult, ...]:
    """Those of the page that are still there, and still the caller's to see."""
    search = AssetSearch(filters=TIMELINE, size=max(len(found.page.hits), 1))
    rows = {row["id"]: row for row in await found.rows(search)}
    explanations = await found.parts.explainer.explain(found.page)
    pairs = zip(found.page.hits, explanations, strict=True)
    return tuple(
        ExplainedResult(rank, hit, _label(row), explanation)
        for rank, (hit, explanation) in enumerate(pairs, before + 1)
        if (row := rows.get(hit.asset_id))
    )


def _label(row: DictRow) -> Label:
    return Label(row["originalFileName"], row["localDateTime"])

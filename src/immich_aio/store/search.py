"""The search: texts and vectors of Immich's own database, ranked together.

Texts that count (few) are scored exactly; all other assets follow in the order of the vector index;
``domain/ranking.py`` merges the two. Small libraries, and searches whose filters leave few assets,
are scored whole.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeVar

from immich_aio.domain.ranking import Hit, merge
from immich_aio.domain.search_plan import exact_at_most
from immich_aio.errors import BadInputError
from immich_aio.store.asset_search import AssetQueries
from immich_aio.store.database import Database
from immich_aio.store.frequencies import FrequencyReader
from immich_aio.store.immich_guard import ImmichTables
from immich_aio.store.planned_search import PlannedSearch
from immich_aio.store.query_words import text_query
from immich_aio.store.search_reader import AT_FIRST
from immich_aio.store.search_request import SearchOptions, SearchPage, SearchRequest, Sought
from immich_aio.store.search_run import AT_ONCE, SearchRun
from immich_aio.store.side_by_side import side_by_side
from immich_aio.store.text.segmentation import Segmenter

V = TypeVar("V")

REMEMBERED = 64
"""Searches whose results are kept for their next pages."""
FRESH = 60.0
"""Seconds for which they are kept."""
SHOWN = 600.0
"""Seconds for which it is kept what was shown: no later page shows it again, nor leaves a gap."""
PAGES_AHEAD = 2
"""Pages that are kept beyond the one that was asked for, unless it is the first."""


@dataclass(slots=True)
class _Result:
    """The beginning of a result, as far as it was asked for."""

    hits: Sequence[Hit]
    sought: Sought
    is_whole: bool
    made_at: float


class PhotoSearch:
    """Searches one Immich's database."""

    def __init__(
        self,
        database: Database,
        tables: ImmichTables,
        segmenter: Segmenter,
        options: SearchOptions,
    ) -> None:
        self._database = database
        self._tables = tables
        self._segmenter = segmenter
        self._options = options
        self._queries = AssetQueries(tables.shape)
        self._frequencies = FrequencyReader(tables.dimensions)
        self._results: OrderedDict[Hashable, _Result] = OrderedDict()
        self._counts: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()
        self._kept_shares: OrderedDict[Hashable, float] = OrderedDict()

    async def page(
        self, request: SearchRequest, embedding: Sequence[float] | None = None
    ) -> SearchPage:
        """One page. ``embedding`` is the meaning of the query; without it only texts count.

        The first is of what there is now; others go on from what was found then.
        Raises BadInputError where it is of another length than Immich's vectors.
        """
        vector = self._spelled(embedding)
        wanted = request.offset + request.size + 1
        key = (request.query, request.filters, request.scope, vector)
        result = self._results.get(key) if request.page > 1 else None
        if result is None or not _serves(result, wanted):
            if request.page > 1:  # whoever turns pages will turn more of them
                wanted += PAGES_AHEAD * request.size
            hits, sought = await self._ranked(request, vector, wanted)
            shown = result.hits if result is not None and _age(result) <= SHOWN else ()
            whole = len(hits) < wanted
            result = _Result(_going_on(shown, hits), sought, whole, time.monotonic())
            _remember(self._results, key, result)
        end = request.offset + request.size
        hits = tuple(result.hits[request.offset : end])
        earlier = tuple(hit.asset_id for hit in result.hits[: request.offset])
        return SearchPage(hits, len(result.hits) > end, result.sought, earlier)

    def _spelled(self, embedding: Sequence[float] | None) -> str | None:
        """A vector as pgvector takes it."""
        if embedding is None:
            return None
        if len(embedding) != self._tables.dimensions:
            raise BadInputError(
                f"The query's vector has {len(embedding)} numbers, and those of Immich's photos "
                f"have {self._tables.dimensions}: the model of smart search in Immich's settings "
                "and the one asked here must be the same."
            )
        return _written(tuple(embedding))

    async def _ranked(
        self, request: SearchRequest, vector: str | None, limit: int
    ) -> tuple[Sequence[Hit], Sought]:
        """The first results, from one state of the database, and what was looked for."""
        text = await text_query(request.query, self._segmenter)
        scope = (request.filters, request.scope)
        async with self._database.snapshot(AT_FIRST) as connection:
            frequencies = await self._frequencies.of(connection, text)
            library = await self._frequencies.assets(connection)
            planned = PlannedSearch(
                self._tables,
                self._queries.filtered(*scope),
                Sought.of(text, frequencies),
                self._frequencies.is_frequent,
                self._options.weights,
            )
            beside = partial(self._database.beside, connection, AT_FIRST)
            run = SearchRun(planned, connection, beside)
            run.kept_share = self._kept_shares.get(scope)
            hits = await self._hits(run, request, vector, library, limit)
        if run.kept_share:
            _remember(self._kept_shares, scope, run.kept_share)
        return hits, planned.sought

    async def _hits(
        self,
        run: SearchRun,
        request: SearchRequest,
        vector: str | None,
        library: int,
        limit: int,
    ) -> list[Hit]:
        if vector is None or request.query.text_only:
            return await run.texts_alone(limit, every=request.query.text_only)
        if self._tables.vector_index is None or await self._is_small(request, run, library):
            return await run.all_scored(vector, limit)
        matched, others = await self._both(run, vector, limit)
        return merge(matched, others)[:limit]

    async def _both(
        self, run: SearchRun, vector: str, limit: int
    ) -> tuple[Sequence[Hit], Sequence[Hit]]:
        """Those whose texts count, and the others: of a first page side by side."""
        if limit <= AT_ONCE and run.planned.has_words:
            async with run.helped() as helper:
                if helper is not None:
                    await run.look_ahead(vector, limit)
                    return await side_by_side(
                        run.texts_with_meaning(vector, limit), helper.others(vector, limit)
                    )
        matched = await run.texts_with_meaning(vector, limit)
        return matched, await run.others(vector, limit, matched)

    async def _is_small(self, request: SearchRequest, run: SearchRun, library: int) -> bool:
        """Whether the filters leave so few assets that each is scored."""
        at_most = exact_at_most(library, self._options.exact_limit)
        key = (request.filters, request.scope)
        known = self._counts.get(key)
        if known is None or time.monotonic() - known[0] > FRESH:
            known = (time.monotonic(), await run.count(at_most + 1))
            _remember(self._counts, key, known)
        return known[1] <= at_most


@lru_cache(maxsize=REMEMBERED)
def _written(vector: tuple[float, ...]) -> str:
    """As pgvector reads it, whose numbers are of single precision: nine digits name each.

    Only its direction counts, and it is written with a length of 1, as the copies are.
    """
    length = math.hypot(*vector) or 1.0
    return "[" + ",".join(f"{number / length:.9g}" for number in vector) + "]"


def _age(result: _Result) -> float:
    return time.monotonic() - result.made_at


def _serves(result: _Result, wanted: int) -> bool:
    return _age(result) <= FRESH and (result.is_whole or len(result.hits) >= wanted)


def _going_on(shown: Sequence[Hit], hits: Sequence[Hit]) -> Sequence[Hit]:
    """A result that begins as it was shown, whatever has come, gone or changed meanwhile."""
    if not shown:
        return hits
    known = {hit.asset_id for hit in shown}
    return [*shown, *(hit for hit in hits if hit.asset_id not in known)]


def _remember(kept: OrderedDict[Hashable, V], key: Hashable, value: V) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)

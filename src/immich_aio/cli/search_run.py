"""What ``immich-aio search`` does."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from immich_aio.cli import search_output
from immich_aio.cli.immich_database import immich_database
from immich_aio.cli.query_vector import QueryVector, query_vector
from immich_aio.cli.search_filters import immich_filters
from immich_aio.cli.search_index import ready_index
from immich_aio.cli.search_output import Outcome
from immich_aio.domain.asset_search import AssetFilters
from immich_aio.domain.clip_models import IMMICHS_DEFAULT
from immich_aio.domain.immich import Visibility
from immich_aio.domain.search_query import SearchQuery, parse_query
from immich_aio.domain.tasks import ClipTextTask
from immich_aio.errors import BadInputError, UnavailableError
from immich_aio.settings import Settings
from immich_aio.store.database import Database
from immich_aio.store.explanation import Explainer
from immich_aio.store.immich_guard import ImmichTables
from immich_aio.store.search import PhotoSearch
from immich_aio.store.search_request import SearchOptions, SearchPage, SearchRequest
from immich_aio.store.viewers import clip_model_name, find_viewer, labels, search_scope


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line."""

    query: str
    user: str | None
    page: int
    size: int
    elevated: bool
    language: str | None
    filters: Mapping[str, Any]


async def run(wish: Wish, *, as_json: bool, explain: bool) -> None:
    """Search, and print one page."""
    settings = Settings.load()
    async with immich_database(settings) as (database, tables):
        try:
            outcome = await _outcome(wish, settings, database, tables)
        except psycopg.Error as error:
            said = " ".join(str(error).split())
            raise UnavailableError(f"Immich's database refused the search: {said}") from error
    if as_json:
        search_output.write_json(outcome, explain=explain)
    elif explain:
        search_output.write_explained(outcome)
    else:
        search_output.write_table(outcome)


async def _outcome(
    wish: Wish, settings: Settings, database: Database, tables: ImmichTables
) -> Outcome:
    query, weights = parse_query(wish.query), settings.ranking_weights
    request = await _request(wish, query, database, tables)
    segmenter = await ready_index(database, tables, settings, _tell)
    vector = await _vector(settings, database, query, wish.language)
    options = SearchOptions(weights, settings.search_exact_limit)
    found = await PhotoSearch(database, tables, segmenter, options).page(request, vector.vector)
    explanations = await Explainer(database, tables, weights).explain(found)
    if vector.reason and not found.hits and request.page == 1:
        raise UnavailableError(
            f"No text has these words, and photos cannot be searched by their looks: "
            f"{vector.reason}."
        )
    _tell_about(query, vector, found)
    return Outcome(
        query=query,
        page=found,
        number=request.page,
        first=request.offset + 1,
        by_meaning=vector.vector is not None,
        labels=await labels(database, [hit.asset_id for hit in found.hits]),
        explanations=explanations,
    )


async def _request(
    wish: Wish, query: SearchQuery, database: Database, tables: ImmichTables
) -> SearchRequest:
    viewer = await find_viewer(database, wish.user)
    filters = immich_filters(wish.filters, tables.shape)
    _check(filters, tables, elevated=wish.elevated)
    scope = await search_scope(
        database, tables.shape, viewer.id, filters.visibility, elevated=wish.elevated
    )
    return SearchRequest(query=query, filters=filters, scope=scope, page=wish.page, size=wish.size)


def _check(filters: AssetFilters, tables: ImmichTables, *, elevated: bool) -> None:
    """Raise for filters that cannot be followed here."""
    if filters.visibility is Visibility.LOCKED and not elevated:
        raise BadInputError(
            "Locked photos are seen after the PIN alone. Add --elevated to --visibility locked."
        )
    if filters.ocr and not tables.has_trigrams:
        raise UnavailableError(
            "--ocr is Immich's own text match, and this database lacks its extension (CREATE "
            "EXTENSION pg_trgm). Put the words into the query: 'ocr:…' finds texts without it."
        )


async def _vector(
    settings: Settings, database: Database, query: SearchQuery, language: str | None
) -> QueryVector:
    if query.text_only or not query.meaning.strip():
        return QueryVector(None)
    name = settings.search_ml_model or await clip_model_name(database) or IMMICHS_DEFAULT
    return await query_vector(settings, query.meaning, ClipTextTask(name, language))


def _tell_about(query: SearchQuery, vector: QueryVector, page: SearchPage) -> None:
    """Say what a result is not, where it is not what was asked for."""
    if vector.reason:
        _tell(f"By text alone, for {vector.reason}.")
    if vector.vector is None and page.sought.text.is_empty:
        _tell("No words to look for, so the newest come first.")
    elif query.text_only and page.hits and all(hit.partial for hit in page.hits):
        _tell("No photo has all the words; these have some.")


def _tell(what: str) -> None:
    sys.stderr.write(f"{what}\n")
    sys.stderr.flush()

"""A search in a caller's name: by text and meaning where both can be had, else by text."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import DictRow

from immich_aio.domain.asset_search import AssetFilters, AssetSearch
from immich_aio.domain.clip_models import IMMICHS_DEFAULT
from immich_aio.domain.search_query import SearchQuery
from immich_aio.domain.tasks import ClipTextTask
from immich_aio.errors import BadInputError, ForbiddenError
from immich_aio.services.companion.caller import Caller
from immich_aio.services.companion.index_keeper import IndexKeeper, SearchParts
from immich_aio.services.companion.query_vectors import QueryVector, QueryVectors
from immich_aio.store.search_request import SearchPage, SearchRequest
from immich_aio.store.viewers import clip_model_name, search_scope

MODEL_FRESH = 5.0
"""Seconds for which it is believed which model is chosen in Immich's settings."""
SEARCHING = "asset.read"
"""What an API key must be granted to search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One page of a search, as somebody wishes for it."""

    query: SearchQuery
    filters: AssetFilters
    page: int = 1
    size: int = 100
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to."""

    page: SearchPage
    parts: SearchParts
    """What it was done with."""
    request: SearchRequest
    reason: str = ""
    """Why meaning did not count, where it should have."""

    @property
    def is_by_words(self) -> bool:
        """Whether texts were looked for; where there are no words, all photos have been given."""
        return not self.page.sought.text.is_empty

    async def rows(self, search: AssetSearch, ids: Sequence[UUID] | None = None) -> list[DictRow]:
        """The page's assets, or these, as ``search`` finds them in the caller's name; in no order.

        Results are kept for the next page. What was locked, deleted or taken away meanwhile is not
        among these.
        """
        if ids is None:
            ids = [hit.asset_id for hit in self.page.hits]
        async with self.parts.database.connection() as connection:
            return await self.parts.queries.of_ids(connection, search, self.request.scope, ids)


class Searcher:
    """Searches for callers; ``model`` names the CLIP model where Immich's settings do not."""

    def __init__(
        self, keeper: IndexKeeper, vectors: QueryVectors, model: str | None = None
    ) -> None:
        self._keeper = keeper
        self._vectors = vectors
        self._set_model = model
        self._model: tuple[float, str] | None = None

    async def find(self, caller: Caller, wish: Wish) -> Found:
        """One page of what the caller may see.

        Raises ForbiddenError where the caller may not search, UnavailableError while search does
        not work, and psycopg's errors.
        """
        if not caller.may(SEARCHING):
            raise ForbiddenError("This API key may not search: it lacks asset.read.")
        parts = self._keeper.parts
        scope = await search_scope(
            parts.database,
            parts.tables.shape,
            caller.user_id,
            wish.filters.visibility,
            elevated=caller.elevated,
        )
        request = SearchRequest(
            query=wish.query, filters=wish.filters, scope=scope, page=wish.page, size=wish.size
        )
        vector = await self._vector(parts, wish)
        try:
            page = await parts.search.page(request, vector.vector)
        except BadInputError as error:  # it is of another length than Immich's
            vector = QueryVector(None, error.message)
            page = await parts.search.page(request)
        return Found(page, parts, request, vector.reason)

    async def _vector(self, parts: SearchParts, wish: Wish) -> QueryVector:
        if wish.query.text_only or not wish.query.meaning.strip():
            return QueryVector(None)
        task = ClipTextTask(await self._model_name(parts), wish.language)
        return await self._vectors.of(task, wish.query.meaning)

    async def _model_name(self, parts: SearchParts) -> str:
        if self._set_model is not None:
            return self._set_model
        if self._model is None or time.monotonic() - self._model[0] > MODEL_FRESH:
            name = await clip_model_name(parts.database) or IMMICHS_DEFAULT
            self._model = (time.monotonic(), name)
        return self._model[1]

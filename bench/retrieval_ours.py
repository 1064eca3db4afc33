"""Where the benchmark asks the product's own search."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from immich_aio.domain.asset_search import AssetFilters, SearchScope
from immich_aio.domain.ranking import Weights
from immich_aio.domain.search_query import parse_query
from immich_aio.store.database import Database
from immich_aio.store.immich_guard import immich_tables
from immich_aio.store.index_sync import IndexSync
from immich_aio.store.migration import migrate
from immich_aio.store.search import PhotoSearch
from immich_aio.store.search_request import SearchOptions, SearchRequest
from immich_aio.store.text.segmentation import Wish, choose_segmenter

DEPTH = 100
Rank = Callable[[str], Awaitable[list[UUID]]]


async def ours(database: Database, user_id: UUID, segmenter: Wish) -> Rank:
    """The product's search by text alone, over an index made with that segmenter."""
    tables = await immich_tables(database)
    cutter = await choose_segmenter(database, segmenter)
    await migrate(database)
    await IndexSync(database, tables, cutter).rebuild()
    search = PhotoSearch(database, tables, cutter, SearchOptions(Weights()))
    scope = SearchScope((user_id,), elevated=False)

    async def rank(query: str) -> list[UUID]:
        parsed = parse_query("ocr:" + query)
        request = SearchRequest(query=parsed, filters=AssetFilters(), scope=scope, size=DEPTH)
        return [hit.asset_id for hit in (await search.page(request)).hits]

    return rank

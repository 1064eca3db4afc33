"""``/search/smart`` and ``/search/metadata``, as Immich itself answers them."""

from __future__ import annotations

from collections import OrderedDict

from psycopg.rows import DictRow

from immich_aio.domain.asset_search import AssetSearch, SearchScope, SmartSearch
from immich_aio.domain.immich import Shape, Visibility
from immich_aio.domain.tasks import ClipTextTask
from immich_aio.services.sandbox.access import Access, require_elevated
from immich_aio.services.sandbox.api import Call, Endpoint
from immich_aio.services.sandbox.caller import Rule
from immich_aio.services.sandbox.data import Data
from immich_aio.services.sandbox.ml import MachineLearning
from immich_aio.store.asset_search import AssetQueries
from immich_aio.wire.immich_api.assets import asset_reply
from immich_aio.wire.immich_api.errors import bad_request
from immich_aio.wire.immich_api.search import parse_metadata, parse_smart, search_reply

CACHED_QUERIES = 100


class Searching:
    """The two search endpoints."""

    def __init__(self, data: Data, access: Access, ml: MachineLearning) -> None:
        self._data = data
        self._access = access
        self._ml = ml
        self._queries = AssetQueries(data.shape)
        # Like Immich's: kept without an expiry, also where the vector turns out to be of no use.
        self._vectors: OrderedDict[tuple[str, str, str | None], str] = OrderedDict()

    @property
    def endpoints(self) -> list[Endpoint]:
        """What is answered here."""
        by_link = Rule("asset.read", shared_link=self._data.shape is not Shape.V2_2)
        return [
            Endpoint("POST", "/search/smart", "searchSmart", self.smart, Rule("asset.read")),
            Endpoint("POST", "/search/metadata", "searchAssets", self.metadata, by_link),
        ]

    async def metadata(self, call: Call) -> object:
        """By date, filtered."""
        search = parse_metadata(await call.body(), call.shape)
        if search.filters.visibility is Visibility.LOCKED:
            require_elevated(call.caller)
        scope = await self._metadata_scope(call, search)
        async with self._data.database.connection() as connection:
            rows = await self._queries.by_date(connection, search, scope)
        return _page(call, search, rows)

    async def smart(self, call: Call) -> object:
        """Nearest first; without a vector it fails, as Immich does."""
        search = parse_smart(await call.body(), call.shape)
        if search.filters.visibility is Visibility.LOCKED:
            require_elevated(call.caller)
        vector = await self._vector(call, search)
        scope = await self._access.scope(call.caller, search.filters.visibility)
        async with self._data.database.connection() as connection:
            rows = await self._queries.by_vector(connection, search, scope, vector)
        return _page(call, search, rows)

    async def _metadata_scope(self, call: Call, search: AssetSearch) -> SearchScope:
        """From 3.x on an album's filter opens what is in the album, whoever owns it."""
        albums = search.filters.album_ids
        if albums and call.shape is not Shape.V2_2:
            await self._access.require_albums(call.caller, albums)
            return SearchScope(None, call.caller.elevated)
        if call.caller.link is not None:
            raise bad_request(
                "Shared link access is only allowed in combination with an albumIds filter"
            )
        return await self._access.scope(call.caller, search.filters.visibility)

    async def _vector(self, call: Call, search: SmartSearch) -> str:
        if search.query:
            return await self._text_vector(search.query, search.language)
        if search.query_asset_id is None:
            raise bad_request("Either `query` or `queryAssetId` must be set")
        await self._access.require_assets(call.caller, "asset.read", [search.query_asset_id])
        row = await self._data.row("embedding", id=search.query_asset_id)
        if row is None:
            raise bad_request(f"Asset {search.query_asset_id} has no embedding")
        return str(row["embedding"])

    async def _text_vector(self, query: str, language: str | None) -> str:
        model = self._ml.models.clip
        key = (model, query, language)
        if key not in self._vectors:
            self._vectors[key] = await self._ml.clip(ClipTextTask(model, language), text=query)
            while len(self._vectors) > CACHED_QUERIES:
                self._vectors.popitem(last=False)
        self._vectors.move_to_end(key)
        return self._vectors[key]


def _page(call: Call, search: AssetSearch, rows: list[DictRow]) -> object:
    """The reply; the row after the last tells whether there is another page."""
    viewer = call.caller.user_id
    items = [asset_reply(row, viewer, call.shape) for row in rows[: search.size]]
    return search_reply(items, search.page + 1 if len(rows) > search.size else None)

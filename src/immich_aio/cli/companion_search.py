"""The companion's search: from settings to what answers searches."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from immich_aio.cli.companion_neighbours import Closing, Neighbours
from immich_aio.domain.routes import Rule
from immich_aio.errors import UnavailableError
from immich_aio.services.companion.caller import Callers
from immich_aio.services.companion.index_keeper import IndexKeeper, KeeperConfig
from immich_aio.services.companion.parity import Parity
from immich_aio.services.companion.query_vectors import (
    AskedEngine,
    AskedServer,
    QueryVectors,
    TextEncoder,
)
from immich_aio.services.companion.search import SearchInterceptor, SearchServices
from immich_aio.services.companion.search_items import Items
from immich_aio.services.companion.search_metrics import SearchMetrics
from immich_aio.services.companion.search_tail import Tail
from immich_aio.services.companion.searching import Searcher
from immich_aio.services.companion.smart_search import SmartSearchSwitch
from immich_aio.services.http.metrics import Metrics
from immich_aio.settings import Settings
from immich_aio.store.search_request import SearchOptions
from immich_aio.store.viewers import key_owner
from immich_aio.upstream.immich_api import ImmichApi
from immich_aio.upstream.immich_ml import ImmichMlClient

OUR_SHARE = 0.9
"""Of COMPANION_TIMEOUT, what a search may take: it is to end before it is ended."""
VECTOR_SHARE = 0.3
TAIL_SHARE = 0.4
"""Of COMPANION_TIMEOUT, what a query's vector may take, and without one Immich's own results."""
NOBODY = (
    "nothing is set that makes vectors of queries: set SEARCH_ML_URL to the gateway, such as "
    "http://localhost:8080, or CLIP_MODEL"
)


@dataclass(frozen=True, slots=True)
class SearchFeature:
    """What the companion is given for searching; ``searcher`` is for its pages too."""

    interceptor: SearchInterceptor
    callers: Callers
    keeper: IndexKeeper
    searcher: Searcher
    vectors: QueryVectors
    parts: tuple[IndexKeeper | Closing, ...]
    """To be started and closed with the companion."""


def search_feature(
    settings: Settings, metrics: Metrics, api: ImmichApi, neighbours: Neighbours
) -> SearchFeature:
    """Searching by these settings; ``api`` is the caller's to close."""
    seconds = settings.companion_timeout
    keeper = IndexKeeper(
        KeeperConfig(
            settings.database_url,
            SearchOptions(settings.ranking_weights, settings.search_exact_limit),
            settings.search_segmenter,
            settings.search_sync_interval,
        )
    )
    encoder = text_encoder(settings, neighbours)
    vectors = QueryVectors(encoder, VECTOR_SHARE * seconds, NOBODY)
    searcher = Searcher(keeper, vectors, settings.search_ml_model)
    callers, parity = Callers(api, _OwnerOfKey(keeper)), Parity(api)
    services = SearchServices(
        callers,
        keeper,
        searcher,
        Items(api, parity),
        Tail(api, TAIL_SHARE * seconds),
        SmartSearchSwitch(api),
        SearchMetrics(metrics.registry, keeper),
    )
    interceptor = SearchInterceptor(services, OUR_SHARE * seconds)
    closing = Closing(parity, vectors)
    return SearchFeature(interceptor, callers, keeper, searcher, vectors, (closing, keeper))


def text_encoder(settings: Settings, neighbours: Neighbours) -> TextEncoder | None:
    """SEARCH_ML_URL, else the gateway of this process, else its engine, else IMMICH_API."""
    if settings.search_ml_url is not None:
        return _server("SEARCH_ML_URL", settings.search_ml_url, settings)
    if neighbours.gateway is not None:
        return _server("The gateway", neighbours.gateway, settings)
    if neighbours.clip is not None and settings.clip_model is not None:
        return AskedEngine(neighbours.clip, Rule((), task="clip", models=settings.clip_names))
    if settings.immich_apis:
        return _server("IMMICH_API", settings.immich_apis[0], settings)
    return None


def _server(name: str, url: str, settings: Settings) -> AskedServer:
    return AskedServer(ImmichMlClient(url, settings.companion_timeout, name=name))


class _OwnerOfKey:
    """Whose an API key is that may not ask it itself, by Immich's tables."""

    def __init__(self, keeper: IndexKeeper) -> None:
        self._keeper = keeper

    async def __call__(self, key_id: UUID) -> UUID | None:
        try:
            return await key_owner(self._keeper.parts.database, key_id)
        except (UnavailableError, psycopg.Error, PoolTimeout):
            return None

"""The companion's part of the composition: from settings to what stands in front of Immich."""

from __future__ import annotations

import logging

from immich_aio.cli.companion_neighbours import Closing, Neighbours
from immich_aio.errors import UnavailableError
from immich_aio.services.companion.companion import Companion, CompanionConfig, Features
from immich_aio.services.http.metrics import Metrics
from immich_aio.settings import Settings
from immich_aio.upstream.immich_api import ImmichApi

log = logging.getLogger(__name__)


def companion_of(settings: Settings, neighbours: Neighbours | None = None) -> Companion:
    """The companion with all that it does beside relaying."""
    config = CompanionConfig(
        settings.immich_url, settings.companion_timeout, settings.companion_proxies
    )
    metrics = Metrics("companion")
    return Companion(config, features(settings, metrics, neighbours or Neighbours()), metrics)


def features(settings: Settings, metrics: Metrics, neighbours: Neighbours) -> Features:
    """What it does beside relaying, as far as the settings allow."""
    # Imported here, for it must relay where the parts of search are not installed.
    try:
        from immich_aio.cli.companion_pages import page_features  # noqa: PLC0415
        from immich_aio.cli.companion_refresh import queues_of, refresh_features  # noqa: PLC0415
        from immich_aio.cli.companion_search import search_feature  # noqa: PLC0415
    except ImportError as error:
        log.warning("Search is off (%s): pip install 'immich-aio[companion]'.", error)
        return Features()
    api = ImmichApi(settings.immich_url, settings.companion_timeout)
    search = search_feature(settings, metrics, api, neighbours)
    queues = queues_of(settings)
    refresh = refresh_features(settings, api, search.callers, queues, search.keeper.catch_up)
    pages = page_features(settings, api, search, queues, neighbours)
    closing = Closing(api) if isinstance(queues, UnavailableError) else Closing(api, queues)
    return Features(
        interceptors=(search.interceptor, *refresh.interceptors),
        routes=(*refresh.routes, *pages.routes),
        parts=(closing, *search.parts, *pages.parts),
    )

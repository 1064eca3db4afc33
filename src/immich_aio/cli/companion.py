"""The companion's part of the composition: from settings to what stands in front of Immich."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from urllib.parse import quote

from immich_aio.engines.protocol import ClipBackend
from immich_aio.services.companion.companion import Companion, CompanionConfig, Features
from immich_aio.services.http.metrics import Metrics
from immich_aio.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What runs in the same process: the engine for CLIP, and the gateway, by its address."""

    clip: ClipBackend | None = None
    gateway: str | None = None


def own_gateway(settings: Settings) -> str:
    """The address of the gateway of this process, with its key, which is never shown."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104  # it listens on all
    host = f"[{host}]" if ":" in host else host
    key = settings.gateway_key.get_secret_value() if settings.gateway_key else ""
    login = f"key:{quote(key, safe='')}@" if key else ""
    return f"http://{login}{host}:{settings.port}"


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
        from immich_aio.cli.companion_search import search_feature  # noqa: PLC0415
    except ImportError as error:
        log.warning("Search is off (%s): pip install 'immich-aio[search]'.", error)
        return Features()
    search = search_feature(settings, metrics, neighbours.clip, neighbours.gateway)
    return Features(interceptors=(search.interceptor,), parts=search.parts)

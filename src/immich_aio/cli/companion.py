"""The companion's part of the composition: from settings to what stands in front of Immich."""

from __future__ import annotations

from immich_aio.cli.companion_refresh import refresh_features
from immich_aio.services.companion.caller import Callers
from immich_aio.services.companion.companion import Companion, CompanionConfig, Features
from immich_aio.settings import Settings
from immich_aio.upstream.immich_api import ImmichApi


def companion_of(settings: Settings) -> Companion:
    """The companion with all that it does beside relaying."""
    config = CompanionConfig(
        settings.immich_url, settings.companion_timeout, settings.companion_proxies
    )
    return Companion(config, features(settings))


def features(settings: Settings) -> Features:
    """What it does beside relaying, as far as the settings allow."""
    api = ImmichApi(settings.immich_url, settings.companion_timeout)
    callers = Callers(api)
    return refresh_features(settings, api, callers)

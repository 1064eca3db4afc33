"""The companion's part of the composition: from settings to what stands in front of Immich."""

from __future__ import annotations

from immich_aio.services.companion.companion import Companion, CompanionConfig, Features
from immich_aio.settings import Settings


def companion_of(settings: Settings) -> Companion:
    """The companion with all that it does beside relaying."""
    config = CompanionConfig(
        settings.immich_url, settings.companion_timeout, settings.companion_proxies
    )
    return Companion(config, features(settings))


def features(_settings: Settings) -> Features:
    """What it does beside relaying, as far as the settings allow."""
    return Features()

"""Whether Immich's smart search is switched on: if not, a query is refused in Immich's words."""

from __future__ import annotations

import time

from immich_aio.upstream.immich_api import ImmichApi

FRESH = 30.0
"""Seconds for which what Immich said is believed."""


class SmartSearchSwitch:
    """Asks Immich, which tells everybody."""

    def __init__(self, api: ImmichApi) -> None:
        self._api = api
        self._known: tuple[float, bool] | None = None

    async def is_on(self) -> bool:
        """Whether it is on. Raises UpstreamError or TimeoutExceededError."""
        if self._known is None or time.monotonic() - self._known[0] > FRESH:
            features = await self._api.record("/api/server/features")
            self._known = (time.monotonic(), features.get("smartSearch") is not False)
        return self._known[1]

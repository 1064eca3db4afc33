"""What can be counted of searches."""

from __future__ import annotations

from enum import Enum

from prometheus_client import CollectorRegistry, Gauge, Histogram

from immich_aio.services.companion.index_keeper import IndexKeeper
from immich_aio.services.http.metrics import BUCKETS


class Outcome(Enum):
    """Who has answered a search that could have been ours."""

    OURS = "ours"
    BY_TEXT = "text first, then as Immich has it"
    IMMICH = "Immich, whose it is"
    OFF = "Immich, for search is off"
    FAILED = "Immich, for ours failed"
    LATE = "Immich, for ours took too long"


class SearchMetrics:
    """Searches by outcome, and how the index keeps up."""

    def __init__(self, registry: CollectorRegistry, keeper: IndexKeeper) -> None:
        self._seconds = Histogram(
            "immich_aio_search_seconds",
            "Time of searches at the companion, by who answered.",
            ["outcome"],
            buckets=BUCKETS,
            registry=registry,
        )
        ready = Gauge("immich_aio_search_ready", "Whether search works.", registry=registry)
        ready.set_function(lambda: keeper.is_ready)
        lag = Gauge(
            "immich_aio_index_lag_seconds",
            "Time since Immich's tables were last looked at; NaN before the first time.",
            registry=registry,
        )
        lag.set_function(lambda: _or_nan(keeper.status().lag))

    def count(self, outcome: Outcome, seconds: float) -> None:
        """One search."""
        self._seconds.labels(outcome.name.lower()).observe(seconds)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value

"""What the companion can say of itself: metrics, and a few lines in the log."""

from __future__ import annotations

import logging
import time

from prometheus_client import Counter, Gauge
from starlette.responses import Response

from immich_aio.errors import UnreachableError, UpstreamError
from immich_aio.services.companion.asked import Asked, Instead, Interceptor
from immich_aio.services.companion.exchange import Exchange
from immich_aio.services.http.metrics import Metrics

log = logging.getLogger(__name__)

RELAYED = "immich"
"""The route of whatever Immich answers."""


class Observation:
    """Counts, and logs when Immich goes and comes back."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._answers = Counter(
            "immich_aio_companion_answers",
            "Requests about which an interceptor was asked, by what came of it: ours, or instead "
            "(Immich was asked otherwise), or passed, timeout and error (it was asked as it came).",
            ["interceptor", "outcome"],
            registry=metrics.registry,
        )
        self._immich = Gauge(
            "immich_aio_companion_immich_up",
            "1 unless Immich could not be reached the last time.",
            registry=metrics.registry,
        )
        self._immich.set(1)
        self._immich_up = True
        self.last_failure = ""
        """What was wrong with Immich the last time."""

    def relayed(self, exchange: Exchange, status: int) -> None:
        """A reply of Immich's has begun."""
        seconds = time.perf_counter() - exchange.began
        self._metrics.count_request(RELAYED, exchange.request.method, status, seconds)
        if not self._immich_up:
            self._immich_up = True
            self._immich.set(1)
            log.info("Immich is back.")

    def unanswered(self, exchange: Exchange, error: UpstreamError) -> None:
        """Immich gave none."""
        seconds = time.perf_counter() - exchange.began
        self._metrics.count_request(RELAYED, exchange.request.method, 502, seconds)
        self.last_failure = error.message
        if not isinstance(error, UnreachableError):
            log.info("%s %s: %s", exchange.request.method, exchange.request.path, error.message)
        elif self._immich_up:
            self._immich_up = False
            self._immich.set(0)
            log.warning("%s Requests are answered 502 until it is back.", error.message)

    def answered(
        self,
        interceptor: Interceptor,
        asked: Asked,
        answer: Response | Instead | None,
        seconds: float,
    ) -> None:
        """An interceptor has said what it does."""
        name, outcome = _name(interceptor), "passed"
        if isinstance(answer, Response):
            outcome = "ours"
            self._metrics.count_request(name, asked.method, answer.status_code, seconds)
        elif answer is not None:
            outcome = "instead"
        self._answers.labels(name, outcome).inc()

    def failed(self, interceptor: Interceptor, how: str) -> None:
        """An interceptor has failed."""
        self._answers.labels(_name(interceptor), how).inc()


def _name(interceptor: Interceptor) -> str:
    return type(interceptor).__name__.lower()

"""What the gateway can say of itself: metrics, and a few lines in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from immich_aio.domain.results import Embedding, FacesResult, OcrResult
from immich_aio.domain.tasks import TaskKind
from immich_aio.errors import AioError
from immich_aio.services.gateway.backends import Answer
from immich_aio.services.gateway.health import BreakerState, Lane
from immich_aio.services.gateway.spool import Spool
from immich_aio.services.gateway.waiting_room import Trip, WaitingRoom
from immich_aio.services.http.metrics import BUCKETS, Metrics

log = logging.getLogger(__name__)

STATES: dict[BreakerState, int] = {"closed": 0, "half-open": 1, "open": 2}
WORTH_A_LINE = 5.0
"""Seconds of waiting from which on the log tells of it."""


class Observation:
    """Counts, and logs what a person might ask about; ``wake`` is told who was lost."""

    def __init__(self, metrics: Metrics, wake: Callable[[str], None]) -> None:
        registry = metrics.registry
        self._metrics = metrics
        self._wake = wake
        self._stages = Histogram(
            "immich_aio_gateway_stage_seconds",
            "Where the time of a task went: waiting for a backend, and at the one that answered.",
            ["task", "backend", "stage"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._convert = Histogram(
            "immich_aio_gateway_convert_seconds",
            "Time to make the reply of what the backends answered.",
            buckets=(0.0001, 0.0005, 0.001, 0.005, *BUCKETS),
            registry=registry,
        )
        self._failures = Counter(
            "immich_aio_gateway_failures",
            "Tries that failed, by what was wrong; the request is tried again.",
            ["task", "backend", "kind"],
            registry=registry,
        )
        self._cache = Counter(
            "immich_aio_gateway_text_cache",
            "Text queries by whether their vector was kept: hit or miss.",
            ["outcome"],
            registry=registry,
        )
        self._of: dict[Lane, tuple[Histogram, Histogram]] = {}

    def answered(self, lane: Lane, trip: Trip) -> None:
        """See ``Observer.answered``."""
        if lane not in self._of:
            labels = (lane.kind, lane.backend)
            wait, backend = (self._stages.labels(*labels, each) for each in ("wait", "backend"))
            self._of[lane] = (wait, backend)
        wait, backend = self._of[lane]
        wait.observe(trip.waited)
        backend.observe(trip.seconds)
        if trip.failures or trip.waited > WORTH_A_LINE:
            log.info(
                "%s answered by %s after %d failed tries and %.1f s of waiting",
                *(trip.unit.title, lane.backend, sum(trip.failures.values()), trip.waited),
            )

    def failed(self, lane: Lane, trip: Trip, error: AioError) -> None:
        """See ``Observer.failed``."""
        self._failures.labels(lane.kind, lane.backend, error.kind).inc()
        log.info("%s failed at %s: %s", trip.unit.title, lane.backend, error.message)

    def lost(self, lane: Lane) -> None:
        """See ``Observer.lost``."""
        log.warning("%s is down: %s", lane.backend, lane.reach.reason)
        self._wake(lane.backend)

    def replied(self, answers: Sequence[Answer], seconds: float) -> None:
        """A reply was made of the answers, which took so long."""
        self._convert.observe(seconds)
        for answer in answers:
            match answer.result:
                case OcrResult(lines=lines, timings=timings):
                    self._metrics.count_ocr(timings, len(lines))
                case Embedding(width=width, timings=timings):
                    self._metrics.count_clip("text" if width is None else "image", timings)
                case FacesResult(faces=faces, timings=timings):
                    self._metrics.count_faces(timings, len(faces))

    def looked_up(self, found: bool) -> None:
        """A text was looked for in the cache."""
        self._cache.labels("hit" if found else "miss").inc()


class Gauges(Collector):
    """What there is at the moment, told whenever the metrics are read."""

    def __init__(
        self,
        lanes: Mapping[tuple[str, TaskKind], Lane],
        room: WaitingRoom,
        spool: Spool,
    ) -> None:
        self._lanes = lanes
        self._room = room
        self._spool = spool

    def collect(self) -> Iterable[Metric]:
        """See ``Collector.collect``."""
        yield self._waiting()
        yield self._bodies()
        yield from self._of_lanes(monotonic())

    def _waiting(self) -> Metric:
        gauge = GaugeMetricFamily(
            "immich_aio_gateway_waiting", "Requests without a backend.", labels=["task"]
        )
        for kind, count in self._room.waiting.items():
            gauge.add_metric([kind], count)
        return gauge

    def _bodies(self) -> Metric:
        gauge = GaugeMetricFamily(
            "immich_aio_gateway_body_bytes",
            "What uploads in hand take, in memory and on disk.",
            labels=["place"],
        )
        gauge.add_metric(["memory"], self._spool.memory)
        gauge.add_metric(["disk"], self._spool.disk)
        return gauge

    def _of_lanes(self, now: float) -> Iterable[Metric]:
        up = GaugeMetricFamily(
            "immich_aio_gateway_backend_up", "1 if it can be reached.", labels=["backend"]
        )
        breaker = GaugeMetricFamily(
            "immich_aio_gateway_breaker",
            "0 closed, 1 half-open, 2 open: then the backend gets no such task.",
            labels=["task", "backend"],
        )
        running = GaugeMetricFamily(
            "immich_aio_gateway_running",
            "Requests that a backend has in hand, all that share its places.",
            labels=["task", "backend"],
        )
        for name, reach in {lane.backend: lane.reach for lane in self._lanes.values()}.items():
            up.add_metric([name], reach.reachable)
        for (name, kind), lane in self._lanes.items():
            breaker.add_metric([kind, name], STATES[lane.breaker.state(now)])
            running.add_metric([kind, name], lane.slots.taken)
        return up, breaker, running

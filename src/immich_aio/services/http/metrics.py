"""Prometheus metrics: requests by route and status, what engines report, and the process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from immich_aio import __version__
from immich_aio.domain.results import ClipTimings, FacesTimings, OcrTimings, Timings
from immich_aio.engines.protocol import EngineHealth

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The metrics of one service, in a registry of their own; ``service`` labels its requests."""

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # memory, CPU time, open files; on Linux
        labels = ["service", "version"]
        build = Gauge("immich_aio_build_info", "1, by version.", labels, registry=self.registry)
        build.labels(service, __version__).set(1)
        self._requests = Histogram(
            "immich_aio_request_seconds",
            "Time to answer, by service, route, method and status.",
            ["service", "route", "method", "status"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._ocr_stages = Histogram(
            "immich_aio_ocr_stage_seconds",
            "Where the time of an OCR request went.",
            ["stage"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._clip_stages = Histogram(
            "immich_aio_clip_stage_seconds",
            "Where the time of a CLIP request went, by kind (image, text).",
            ["kind", "stage"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._faces_stages = Histogram(
            "immich_aio_faces_stage_seconds",
            "Where the time of a faces request went.",
            ["stage"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._lines = Counter(
            "immich_aio_ocr_lines", "Lines of text that were read.", registry=self.registry
        )
        self._faces = Counter("immich_aio_faces", "Faces that were found.", registry=self.registry)
        self._service = service
        self._known: dict[tuple[str, str, int], Histogram] = {}
        """Looking a child up by its labels takes longer than to observe it."""

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request that was answered."""
        key = (route, method, status)
        if key not in self._known:
            self._known[key] = self._requests.labels(self._service, route, method, str(status))
        self._known[key].observe(seconds)

    def count_ocr(self, timings: OcrTimings, lines: int) -> None:
        """One image that was read."""
        for stage, milliseconds in asdict(timings).items():
            self._ocr_stages.labels(stage).observe(milliseconds / 1e3)
        self._lines.inc(lines)

    def count_clip(self, kind: Literal["image", "text"], timings: ClipTimings) -> None:
        """One vector that was made."""
        for stage, milliseconds in asdict(timings).items():
            self._clip_stages.labels(kind, stage).observe(milliseconds / 1e3)

    def count_faces(self, timings: FacesTimings, faces: int) -> None:
        """One image that was searched for faces."""
        for stage, milliseconds in asdict(timings).items():
            self._faces_stages.labels(stage).observe(milliseconds / 1e3)
        self._faces.inc(faces)

    def watch(self, engine: str, health: Callable[[], EngineHealth]) -> None:
        """Report the queue and workers of an engine, such as ``ocr``, when metrics are read."""
        gauges: dict[str, Callable[[], float]] = {
            "waiting": lambda: health().waiting,
            "running": lambda: health().running,
            "workers": lambda: health().workers,
            "loaded": lambda: health().ready,
        }
        for name, value in gauges.items():
            gauge = Gauge(
                f"immich_aio_{engine}_{name}",
                f"The {engine} engine's jobs or threads: {name}.",
                registry=self.registry,
            )
            gauge.set_function(value)

    async def page(self, _request: Request) -> Response:
        """The text that Prometheus reads."""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)


class RequestMetrics:
    """ASGI middleware that times every request, by the route's path rather than the caller's."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count it when its reply begins."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        def count(status: int) -> None:
            route = getattr(scope.get("route"), "path", "unknown")
            seconds = time.perf_counter() - started
            self._metrics.count_request(route, scope["method"], status, seconds)

        answered = False

        async def counted(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                count(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, counted)
        except Exception:
            if not answered:  # what was not foreseen is answered 500 outside of this middleware
                count(500)
            raise


def server_timing(timings: Timings) -> str:
    """The value of a ``Server-Timing`` header, in milliseconds."""
    stages = asdict(timings).items()
    return ", ".join(f"{stage};dur={milliseconds:.1f}" for stage, milliseconds in stages)

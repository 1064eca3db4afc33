"""Prometheus metrics: every request by route and status, and what the engines report."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from immich_aio.domain.results import Timings
from immich_aio.engines.protocol import EngineHealth

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
STAGES = ("queue", "decode", "detect", "recognise")


class Metrics:
    """The metrics of one service, in a registry of their own; ``service`` labels its requests."""

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "immich_aio_request_seconds",
            "Time to answer, by service, route, method and status.",
            ["service", "route", "method", "status"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._stages = Histogram(
            "immich_aio_ocr_stage_seconds",
            "Where the time of an OCR request went.",
            ["stage"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._lines = Counter(
            "immich_aio_ocr_lines", "Lines of text that were read.", registry=self.registry
        )
        self._service = service

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request that was answered."""
        self._requests.labels(self._service, route, method, str(status)).observe(seconds)

    def count_ocr(self, timings: Timings, lines: int) -> None:
        """One image that was read."""
        for stage in STAGES:
            self._stages.labels(stage).observe(getattr(timings, stage) / 1e3)
        self._lines.inc(lines)

    def watch(self, health: Callable[[], EngineHealth]) -> None:
        """Report an engine's queue and workers whenever the metrics are read."""
        gauges: dict[str, Callable[[], float]] = {
            "waiting": lambda: health().waiting,
            "running": lambda: health().running,
            "workers": lambda: health().workers,
        }
        for name, value in gauges.items():
            gauge = Gauge(
                f"immich_aio_ocr_{name}", f"OCR jobs or threads: {name}.", registry=self.registry
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
    return ", ".join(f"{stage};dur={getattr(timings, stage):.1f}" for stage in STAGES)

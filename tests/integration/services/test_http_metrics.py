"""Every request is counted by what it was and how it ended, and by nothing a caller can invent."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from immich_aio.domain.results import ClipTimings
from immich_aio.errors import OverloadedError
from immich_aio.services.http import errors
from immich_aio.services.http.metrics import Metrics, RequestMetrics, server_timing
from tests.integration.services.live import RESULT, EngineDouble, ask, live

Counted = dict[tuple[str, str, str], float]


async def item(_request: Request) -> Response:
    return Response("ok")


async def refuse(_request: Request) -> Response:
    raise OverloadedError


async def break_down(_request: Request) -> Response:
    raise ZeroDivisionError


@pytest.fixture
async def url() -> AsyncIterator[str]:
    metrics = Metrics("ai")
    metrics.watch("ocr", EngineDouble().health)
    metrics.count_ocr(RESULT.timings, 2)
    metrics.count_clip("text", ClipTimings(queue=1, encode=3))
    routes = [
        Route("/items/{item}", item),
        Route("/refuse", refuse),
        Route("/break", break_down),
        Route("/metrics", metrics.page),
        Mount("/static", routes=[Route("/page", item)]),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(RequestMetrics, metrics=metrics)])
    errors.install(app)
    async with live(app) as address:
        yield address


async def samples(url: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    page = await ask(f"{url}/metrics")
    assert page.headers["Content-Type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for metric in text_string_to_metric_families(page.body.decode())
        for sample in metric.samples
    }


async def counted(url: str) -> Counted:
    """How many requests there were, by route, method and status."""
    found = {}
    for (name, labels), value in (await samples(url)).items():
        if name == "immich_aio_request_seconds_count":
            by = dict(labels)
            assert by["service"] == "ai"
            found[by["route"], by["method"], by["status"]] = value
    found.pop(("/metrics", "GET", "200"), None)
    return found


async def test_requests_are_counted_by_route_method_and_status(url: str) -> None:
    for path in ("/items/1", "/items/2", "/refuse"):
        await ask(url + path)
    await ask(f"{url}/refuse", "POST")
    assert await counted(url) == {
        ("/items/{item}", "GET", "200"): 2,
        ("/refuse", "GET", "429"): 1,
        ("/refuse", "POST", "405"): 1,
    }


async def test_a_failure_that_nobody_foresaw_is_counted_as_a_500(url: str) -> None:
    assert (await ask(f"{url}/break")).status == 500
    assert await counted(url) == {("/break", "GET", "500"): 1}


async def test_unknown_paths_share_one_label_however_many_there_are(url: str) -> None:
    for number in range(20):
        await ask(f"{url}/guess/{number}")
    assert await counted(url) == {("unknown", "GET", "404"): 20}


async def test_the_page_says_where_time_went_and_how_busy_the_engine_is(url: str) -> None:
    found = await samples(url)
    for stage, seconds in (("queue", 0.001), ("decode", 0.002), ("recognise", 0.004)):
        key = ("immich_aio_ocr_stage_seconds_sum", (("stage", stage),))
        assert found[key] == pytest.approx(seconds)
    assert found["immich_aio_ocr_lines_total", ()] == 2
    assert found["immich_aio_ocr_workers", ()] == 3
    assert found["immich_aio_ocr_running", ()] == 1
    assert found["immich_aio_ocr_waiting", ()] == 0
    assert found["immich_aio_ocr_loaded", ()] == 1
    encode = ("immich_aio_clip_stage_seconds_sum", (("kind", "text"), ("stage", "encode")))
    assert found[encode] == pytest.approx(0.003)


def test_the_header_that_says_where_time_went_is_in_milliseconds() -> None:
    wanted = "queue;dur=1.0, decode;dur=2.0, detect;dur=3.0, recognise;dur=4.0"
    assert server_timing(RESULT.timings) == wanted
    assert server_timing(ClipTimings(1, 2, 3)) == "queue;dur=1.0, decode;dur=2.0, encode;dur=3.0"

"""The gateway's door and its windows: who comes in, under which id, and what can be seen."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from starlette.routing import Route

from immich_aio.domain.routes import BackendSpec, Rule
from immich_aio.services.gateway.access import Access
from immich_aio.services.gateway.app import create_app
from immich_aio.services.gateway.backends import EngineBackend
from immich_aio.services.gateway.front import Front
from immich_aio.services.gateway.openapi import description
from tests.integration.services.gateways import (
    AT_ONCE,
    FACES,
    FACES_REPLY,
    OCR,
    PHOTO,
    TEXTUAL,
    VECTOR_TEXT,
    Running,
    gateway,
    predict,
    running,
)
from tests.integration.services.live import EngineDouble, ask, calling, multipart
from tests.integration.upstream.servers import answer, immich_ml

KEY = "the-gateways-own"
NOT_HOME = (ip_network("192.0.2.0/24"),)


# ---- Who comes in


async def test_without_the_key_nothing_is_told_and_a_browser_asks_for_it() -> None:
    async with gateway(access=Access(KEY)) as url:
        for path in ("", "status", "metrics", "openapi.json", "static/gateway.js", "nowhere"):
            reply = await ask(f"{url}/{path}")
            assert reply.status == 401, path
            assert reply.headers["WWW-Authenticate"].startswith("Basic ")
            assert KEY not in reply.body.decode()
        assert (await predict(url, OCR, image=PHOTO)).status == 401
        assert (await ask(f"{url}/ping")).status == 200


async def test_with_the_key_in_a_header_everything_is_open() -> None:
    async with gateway(access=Access(KEY)) as url:
        for headers in ({"api-key": KEY}, {"Authorization": f"Bearer {KEY}"}):
            assert (await ask(f"{url}/status", headers=headers)).status == 200


async def test_immich_sends_the_key_in_the_address() -> None:
    """It asks ``/ping`` and ``/predict`` below the address that was entered there."""
    async with gateway(access=Access(KEY)) as url:
        inside = f"{url}/key/{KEY}"
        assert (await predict(inside, OCR, image=PHOTO)).status == 200
        assert (await ask(f"{inside}/ping")).body == b"pong"
        assert (await ask(f"{inside}/")).json == {"message": "Immich ML"}
        assert (await predict(f"{url}/key/wrong", OCR, image=PHOTO)).status == 401


async def test_an_error_reply_does_not_tell_the_key_that_was_in_the_address() -> None:
    async with gateway(access=Access(KEY)) as url:
        reply = await predict(f"{url}/key/{KEY}", "not JSON", image=PHOTO)
    assert reply.status == 422
    assert reply.json["instance"] == "/predict"
    assert KEY not in reply.body.decode()


async def test_a_caller_from_elsewhere_is_refused_whatever_the_path() -> None:
    async with gateway(access=Access(networks=NOT_HOME)) as url:
        for path in ("/ping", "/status", "/"):
            reply = await ask(f"{url}{path}", headers={"X-Forwarded-For": "192.0.2.1"})
            assert reply.status == 403
        reply = await predict(url, OCR, image=PHOTO)
    assert reply.status == 403
    assert "ALLOWED_NETWORKS" in reply.json["detail"]


async def test_a_trusted_proxy_says_for_whom_it_asks() -> None:
    access = Access(networks=NOT_HOME, proxies=(ip_network("127.0.0.0/8"),))
    async with gateway(access=access) as url:
        reply = await ask(f"{url}/ping", headers={"X-Forwarded-For": "192.0.2.1"})
    assert reply.status == 200


async def test_a_refused_upload_is_answered_before_it_has_come() -> None:
    async with gateway(access=Access(KEY)) as url, calling(url) as caller:
        await caller.begin("/predict", 10**7)
        assert (await caller.reply()).status == 401


# ---- Under which id


async def test_a_request_has_one_id_here_and_at_every_backend() -> None:
    async with immich_ml(answer(FACES_REPLY)) as server, gateway(immich=server) as url:
        first = await predict(url, FACES, image=PHOTO)
        second = await predict(url, {**OCR, **FACES}, image=PHOTO)
    ids = [got.headers["x-request-id"] for got in server.got]
    assert ids == [first.headers["X-Request-ID"], second.headers["X-Request-ID"]]
    assert len(set(ids)) == 2


async def test_the_callers_own_id_is_kept_if_it_is_one() -> None:
    async with gateway() as url:
        for given, kept in (("trace-7.a_B", True), ("a b", False), ("x" * 65, False)):
            reply = await ask(f"{url}/ping", headers={"X-Request-ID": given})
            assert (reply.headers["X-Request-ID"] == given) is kept


async def test_errors_have_an_id_too() -> None:
    async with gateway(access=Access(KEY)) as url:
        replies = [await ask(f"{url}{path}") for path in ("/nowhere", "/ping")]
        inside = f"{url}/key/{KEY}"
        replies += [await ask(f"{inside}/nowhere"), await predict(inside, "", image=b"")]
    assert [reply.status for reply in replies] == [401, 200, 404, 422]
    assert all(reply.headers["X-Request-ID"] for reply in replies)


# ---- What can be seen


@pytest_asyncio.fixture
async def busy() -> AsyncIterator[Running]:
    """A gateway that has done some things, and whose second server is away."""
    async with immich_ml(answer({"clip": VECTOR_TEXT})) as server:
        specs = [
            BackendSpec("engine", "engine"),
            BackendSpec("immich", "immich", server.url.replace("//", "//user:hush@")),
            BackendSpec("away", "mt-photos", "http://127.0.0.1:1", key="hush", weight=2),
        ]
        rules = [Rule((("engine",), ("away",)), "ocr"), Rule((("immich",),))]
        engines = {"engine": EngineBackend(EngineDouble(), None)}
        async with running(specs, rules, engines=engines, patience=AT_ONCE) as it:
            assert (await it.predict(OCR, image=PHOTO)).status == 200
            assert (await it.predict(TEXTUAL, text="飞机")).status == 200
            assert (await it.predict(TEXTUAL, text="飞机")).status == 200
            server.reply = answer({}, 500)
            assert (await it.predict(FACES, image=PHOTO)).status == 502
            yield it


async def test_the_status_tells_how_every_backend_stands_and_no_secret(busy: Running) -> None:
    reply = await ask(f"{busy.url}/status")
    assert reply.status == 200
    assert "hush" not in reply.body.decode()
    backends = {backend["name"]: backend for backend in reply.json["backends"]}
    assert list(backends) == ["engine", "immich", "away"]
    engine, immich, away = backends.values()
    assert (engine["reachable"], engine["tasks"][0]["answered"]) == (True, 1)
    lanes = {lane["task"]: lane for lane in immich["tasks"]}
    assert lanes["clip-text"]["answered"] == 1
    assert (lanes["faces"]["failed"], lanes["faces"]["breaker"]) == (1, "open")
    assert "answered 500" in lanes["faces"]["reason"]
    assert (away["reachable"], away["weight"]) == (False, 2)
    assert "cannot be reached" in away["reason"]
    assert reply.json["routes"][0] == {
        "task": "ocr",
        "type": "*",
        "models": [],
        "order": [["engine"], ["away"]],
    }
    assert reply.json["waiting"]["requests"] == {}
    assert reply.json["cached_texts"] == 1


async def test_the_metrics_tell_time_failures_and_states_by_task_and_backend(
    busy: Running,
) -> None:
    page = (await ask(f"{busy.url}/metrics")).body.decode()
    found = {
        (sample.name.removeprefix("immich_aio_gateway_"), *sorted(sample.labels.items())): (
            sample.value
        )
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }

    def value(name: str, **labels: str) -> float:
        return found[name, *sorted(labels.items())]

    for stage in ("wait", "backend"):
        labels = {"task": "ocr", "backend": "engine", "stage": stage}
        assert value("stage_seconds_count", **labels) == 1
    assert value("convert_seconds_count") == 3
    assert value("failures_total", task="faces", backend="immich", kind="upstream") == 1
    assert value("text_cache_total", outcome="hit") == 1
    assert value("text_cache_total", outcome="miss") == 1
    assert value("backend_up", backend="immich") == 1
    assert value("backend_up", backend="away") == 0
    assert value("breaker", task="faces", backend="immich") == 2
    assert value("breaker", task="ocr", backend="engine") == 0
    assert value("running", task="ocr", backend="engine") == 0
    assert value("body_bytes", place="memory") == 0


async def test_every_reply_tells_where_its_time_went(busy: Running) -> None:
    reply = await busy.predict(OCR, image=PHOTO)
    names = re.findall(r"(\w+);dur=[\d.]+", reply.headers["Server-Timing"])
    assert names[-3:] == ["wait", "backend", "convert"]
    assert {"queue", "decode", "detect", "recognise"} <= set(names)


async def test_people_with_a_browser_get_a_page_and_immich_what_it_knows() -> None:
    async with gateway() as url:
        page = await ask(f"{url}/", headers={"Accept": "text/html,*/*"})
        plain = await ask(f"{url}/", headers={"Accept": "*/*"})
        files = re.findall(r'(?:src|href)="(?!data:|https?:)([^"]+)"', page.body.decode())
        linked = {name: (await ask(f"{url}/{name}")).status for name in files}
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert plain.json == {"message": "Immich ML"}
    assert linked
    assert set(linked.values()) == {200}


async def test_the_description_has_every_route_and_every_status() -> None:
    async with running([], []) as it:
        described = (await ask(f"{it.url}/openapi.json")).json
        app = create_app(it.gateway)
        assert isinstance(app, Front)
        routes = app._others.routes  # type: ignore[attr-defined]
        own = {route.path for route in routes if isinstance(route, Route)}
    assert described == description()
    assert own - {"/openapi.json"} == set(described["paths"])


async def test_a_body_that_ends_too_soon_is_the_callers_mistake() -> None:
    body = multipart(entries="{}", image=PHOTO)[:-60]
    async with gateway() as url, calling(url) as caller:
        await caller.begin("/predict", len(body))
        await caller.say(body)
        assert 400 <= (await caller.reply()).status < 500

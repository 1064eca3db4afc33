"""The services as the Compose file starts them, and what Prometheus can read of them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
import yaml
from prometheus_client.parser import text_string_to_metric_families

from deploy.check.compose import BASE, DEPLOY, filled, merged
from deploy.check.queries import asked_for
from deploy.check.services import Stack
from deploy.monitoring import draw
from deploy.monitoring.rows import OF_OTHERS, ROWS
from tests.acceptance.product import RECEIPT
from tests.acceptance.sandboxes import Sandbox

Emitted = dict[str, set[str]]
"""Names of metrics, as they are asked for, and the labels that they have."""

WATCHED = {"gateway": "/metrics", "ai": "/metrics", "companion": "/aio/metrics"}


@pytest.fixture(scope="module")
def stack(samples: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The Compose file's services before the sandbox, which stands for Immich."""
    known = samples.known
    database, redis = urlsplit(known["database"]), urlsplit(known["redis"])
    variables = filled() | {
        "DB_HOSTNAME": str(database.hostname),
        "DB_PORT": str(database.port),
        "DB_PASSWORD": str(database.password),
        "DB_USERNAME": str(database.username),
        "REDIS_HOSTNAME": str(redis.hostname),
        "REDIS_PORT": str(redis.port),
        "REDIS_PASSWORD": redis.password or "",
        "CLIP_MODEL": "",
        "IMMICH_API": known["gateway"],
    }
    elsewhere = {"http://immich-server:2283": known["sandbox"].rstrip("/")}
    made = Stack(merged(BASE, variables), tmp_path_factory.mktemp("stack"), elsewhere)
    with ExitStack() as started:
        for name in WATCHED:
            started.enter_context(made.running(name))
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def emitted(stack: Stack, samples: Sandbox) -> AsyncIterator[Emitted]:
    """What the services show of themselves after a photo was read and a search was answered."""
    entries = (
        '{"ocr":{"detection":{"modelName":"a","options":{"minScore":0.5,"maxResolution":736}},'
        '"recognition":{"modelName":"a","options":{"minScore":0.8}}}}'
    )
    form = aiohttp.FormData({"entries": entries})
    form.add_field("image", RECEIPT.read_bytes(), filename="blob")
    search = f"{stack.url('companion')}/api/search/smart"
    key = {"x-api-key": samples.known["api_key"]}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{stack.url('gateway')}/predict", data=form) as reply:
            assert reply.status == 200, await reply.text()
        async with session.post(search, json={"query": "ocr:发票"}, headers=key) as reply:
            assert reply.status == 200, await reply.text()
            assert (await reply.json())["assets"]["items"]
        found: Emitted = {}
        for name, path in WATCHED.items():
            async with session.get(stack.url(name) + path) as reply:
                for family in text_string_to_metric_families(await reply.text()):
                    _note(found, family.name, family.type)
                    for sample in family.samples:
                        found.setdefault(sample.name, set()).update(sample.labels)
    yield found


async def test_a_photo_is_read_and_found_through_the_services_of_the_compose_file(
    emitted: Emitted,
) -> None:
    """Each became healthy by its image's own check, with the variables it is given there."""
    assert {"immich_aio_ocr_lines_total", "immich_aio_search_seconds_count"} <= set(emitted)


async def test_every_panel_asks_for_metrics_and_labels_that_are_emitted(emitted: Emitted) -> None:
    for row in ROWS:
        for panel in row.panels:
            for query in panel.queries:
                _check(query.expr, emitted, f"{row.title}: {panel.title}")


async def test_every_alert_asks_for_metrics_and_labels_that_are_emitted(emitted: Emitted) -> None:
    rules = yaml.safe_load((DEPLOY / "monitoring" / "alerts.yaml").read_text())["groups"][0][
        "rules"
    ]
    for rule in rules:
        _check(rule["expr"], emitted, rule["alert"])


async def test_every_metric_of_ours_is_on_the_dashboard(emitted: Emitted) -> None:
    shown = {
        name
        for row in ROWS
        for panel in row.panels
        for query in panel.queries
        for name, _ in asked_for(query.expr)
    }
    ours = {name for name in emitted if name.startswith("immich_aio_")}
    families = {re.sub("_(bucket|count|sum|total|created)$", "", name) for name in ours}
    missing = {each for each in families if not any(name.startswith(each) for name in shown)}
    assert missing == set(), "They need a panel in deploy/monitoring/rows.py."


def test_a_metric_that_nobody_emits_is_noticed() -> None:
    """So the tests above can fail."""
    some = {"immich_aio_gateway_waiting": {"task"}}
    with pytest.raises(AssertionError, match="immich_aio_gateway_wating"):
        _check("sum(immich_aio_gateway_wating)", some, "a panel")
    with pytest.raises(AssertionError, match="kind"):
        _check("sum by (kind) (immich_aio_gateway_waiting)", some, "a panel")


def test_prometheus_is_told_of_every_service_by_its_name_and_port() -> None:
    jobs = {
        job["job_name"]: job
        for job in yaml.safe_load((DEPLOY / "monitoring" / "prometheus.yaml").read_text())[
            "scrape_configs"
        ]
    }
    for name, path in WATCHED.items():
        assert jobs[name].get("metrics_path", "/metrics") == path
        (target,) = jobs[name]["static_configs"][0]["targets"]
        port = {"gateway": 8080, "ai": 8060, "companion": 2284}[name]
        assert target == f"{name}:{port}"


def test_the_dashboard_is_the_one_that_is_drawn() -> None:
    assert draw.DASHBOARD.read_text() == draw.text(), "python -m deploy.monitoring.draw"
    places = [panel["gridPos"] for panel in draw.dashboard()["panels"]]
    taken = [
        (place["x"] + x, place["y"] + y)
        for place in places
        for x in range(place["w"])
        for y in range(place["h"])
    ]
    assert len(taken) == len(set(taken)), "panels lie over each other"
    source = yaml.safe_load(
        next(Path(DEPLOY, "monitoring/grafana/provisioning/datasources").iterdir()).read_text()
    )["datasources"][0]
    assert source["uid"] == draw.SOURCE["uid"]
    assert source["url"] == "http://prometheus:9090"


def _note(found: Emitted, family: str, kind: str) -> None:
    """Names of a family without samples yet: it is there all the same."""
    endings = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",)}
    for ending in endings.get(kind, ("",)):
        found.setdefault(family + ending, set())


def _check(expr: str, emitted: Emitted, where: str) -> None:
    for name, labels in asked_for(expr):
        if name in OF_OTHERS:
            continue
        assert name in emitted, f"{where}: nobody emits {name}"
        given = emitted[name] | {"job", "instance"}
        assert not emitted[name] or labels <= given, f"{where}: {name} has no {labels - given}"

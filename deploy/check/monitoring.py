"""Prometheus itself reads what it is given, and our services, and answers every panel's query."""

from __future__ import annotations

import json
import tempfile
import time
import urllib.parse
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from deploy.check.compose import BASE, DEPLOY, filled, merged
from deploy.check.queries import asked_for
from deploy.check.services import PORTS, Stack
from deploy.check.tools import running, said, tool
from deploy.monitoring.rows import OF_OTHERS, ROWS
from immich_aio.services.sandbox.embedded.free_port import free_port

FOLDER = DEPLOY / "monitoring"
SCRAPES = 3.0
"""Seconds in which Prometheus reads the services more than once, at an interval of one."""


def check() -> str:
    """Its files, its alerts, and every query of the dashboard."""
    said(tool("promtool"), "check", "config", FOLDER / "prometheus.yaml")
    said(tool("promtool"), "test", "rules", FOLDER / "alerts_test.yaml")
    with tempfile.TemporaryDirectory() as made, ExitStack() as started:
        folder = Path(made)
        stack = Stack(merged(BASE, filled() | {"CLIP_MODEL": ""}), folder)
        for name in PORTS:
            started.enter_context(stack.running(name))
        port = free_port()
        options = [
            f"--config.file={_config(folder, stack)}",
            f"--storage.tsdb.path={folder / 'db'}",
        ]
        options.append(f"--web.listen-address=127.0.0.1:{port}")
        started.enter_context(running([tool("prometheus"), *options], folder / "prometheus.log"))
        url = f"http://127.0.0.1:{port}"
        _until_all_are_up(url, folder / "prometheus.log")
        time.sleep(SCRAPES)
        return _ask_all(url)


def _config(folder: Path, stack: Stack) -> Path:
    """prometheus.yaml with addresses of this machine."""
    config = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(FOLDER / "alerts.yaml")]
    for job in config["scrape_configs"]:
        if job["job_name"] in PORTS:
            job["static_configs"][0]["targets"] = [f"127.0.0.1:{stack.ports[job['job_name']]}"]
        else:
            job["static_configs"] = []
    file = folder / "prometheus.yaml"
    file.write_text(yaml.safe_dump(config))
    return file


def _until_all_are_up(url: str, log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            if len(_query(url, "up == 1")) == len(PORTS):
                return
        except OSError:
            pass
        assert time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.2)  # nobody tells another process when it is ready


def _ask_all(url: str) -> str:
    queries = [query.expr for row in ROWS for panel in row.panels for query in panel.queries]
    with_answer = sum(bool(_query(url, expr.replace("$__rate_interval", "1m"))) for expr in queries)
    for expr in queries:
        for name, _ in asked_for(expr):
            if name not in OF_OTHERS:
                family = name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum")
                known = _get(url, f"/api/v1/metadata?metric={family.removesuffix('_total')}")
                known = known or _get(url, f"/api/v1/metadata?metric={family}")
                assert known, f"Prometheus knows no {name}"
    rules = _get(url, "/api/v1/rules")["groups"][0]["rules"]
    wrong = [rule["name"] for rule in rules if rule["health"] != "ok"]
    assert not wrong, f"alerts that cannot be computed: {wrong}"
    return (
        f"Prometheus takes {len(queries)} queries ({with_answer} with an answer already) "
        f"and {len(rules)} alerts; it knows every metric that they name"
    )


def _query(url: str, expr: str) -> list[Any]:
    result = _get(url, "/api/v1/query?" + urllib.parse.urlencode({"query": expr}))["result"]
    assert isinstance(result, list)
    return result


def _get(url: str, path: str) -> Any:  # noqa: ANN401  # Prometheus's JSON
    with urllib.request.urlopen(url + path, timeout=10) as reply:  # noqa: S310  # loopback
        return json.load(reply)["data"]

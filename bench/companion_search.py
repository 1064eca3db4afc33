"""What a search costs through the companion, side by side with the sandbox's own native search.

A part of ``bench companion``. Both are asked over HTTP, for 100 results with their EXIF, as
Immich's search box asks: on the sample library, and on made-up assets. Each query is asked once
before, so that both sides know its vector; then they take turns.

The native search is Immich 3.1's statement. PostgreSQL up to 17, such as the 14 in Immich's own
image, cannot take its order from the vector index; the newer one that is used here can, but then
gives no more than 40 rows. So its incremental sort is off, which gives the older plan.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.relay_client import Connection, took
from immich_aio.services.sandbox.synthetic import vocabulary

QUERIES = 40
ROUNDS = 5
"""So often each query is asked; who is asked first takes turns."""
PAGE = 100
SAMPLE_QUERIES = (
    *(
        "发票",
        "杭州",
        "发票 杭州",
        "receipt",
        "boarding pass",
        "領収書",
        "ラーメン",
        "菜单",
        "车牌",
    ),
    *("红色的花", "sea", "a forest at night", "night market", "coffee", "ticket", "統一發票"),
    *("newspaper", "sunset over the sea", "snow", "party lights"),
)
OTHERS_END = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
READY = 1800.0
"""Seconds in which a sandbox is filled and its index made."""


@dataclass(frozen=True, slots=True)
class _Sandbox:
    companion: str
    sandbox: str
    api_key: str
    database: str


async def search_figures(assets: int, folder: Path | None) -> dict[str, float]:
    """The ratios of medians; ``folder`` is kept, and may be filled with so many assets already."""
    with _sandbox(()) as small:
        ratio = await _side_by_side("sample library", small, SAMPLE_QUERIES)
    with _sandbox(("--assets", str(assets)), folder) as large, _older_plans(large):
        large_ratio = await _side_by_side(f"{assets:,} assets", large, _drawn())
    return {"search_ratio": round(ratio, 3), "search_ratio_200k": round(large_ratio, 4)}


async def _side_by_side(name: str, sandbox: _Sandbox, queries: Sequence[str]) -> float:
    sides = {"companion": sandbox.companion, "native": sandbox.sandbox}
    times: dict[str, list[float]] = {side: [] for side in sides}
    requests = [_request(sandbox, query) for query in queries]
    for request in requests:
        for url in sides.values():
            await _check(url, request)
    answered = _ours(sandbox)
    for number, request in enumerate(requests * ROUNDS):
        for side in list(sides)[:: 1 if number % 2 else -1]:
            took_ms = (await took(sides[side].rstrip("/"), [request], 1, 1)).p50_ms
            times[side].append(took_ms)
    assert _ours(sandbox) - answered == len(requests) * ROUNDS, "Immich has answered in our place"
    medians = {side: statistics.median(each) for side, each in times.items()}
    ratio = medians["companion"] / medians["native"]
    print(
        f"search, {name}: companion p50 {medians['companion']:.1f} ms, native "
        f"{medians['native']:.1f} ms ({ratio:.2f})",
        flush=True,
    )
    return ratio


async def _check(url: str, request: bytes) -> None:
    connection = await Connection.to(url.rstrip("/"))
    reply = json.loads(await connection.ask(request))
    connection.close()
    assert len(reply["assets"]["items"]) > 50, "too few results to compare"


def _request(sandbox: _Sandbox, query: str) -> bytes:
    asked = {"visibility": "timeline", "page": 1, "withExif": True, "query": query, "size": PAGE}
    body = json.dumps(asked | {"language": "zh-CN"}).encode()
    lines = (
        "POST /api/search/smart HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"x-api-key: {sandbox.api_key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return lines.encode() + body


def _drawn() -> list[str]:
    """One word, or of every third two, each by the logarithm of its rank."""
    words, chosen = vocabulary(), random.Random(5)
    drawn: dict[str, None] = {}
    while len(drawn) < QUERIES:
        pair = [words[int(len(words) ** chosen.random()) - 1] for _ in range(2)]
        drawn[" ".join(pair if len(drawn) % 3 == 0 else pair[:1])] = None
    return list(drawn)


@contextlib.contextmanager
def _sandbox(options: Sequence[str], folder: Path | None = None) -> Iterator[_Sandbox]:
    """A sandbox that is filled, and whose companion searches."""
    with tempfile.TemporaryDirectory(prefix="companion-") as temporary:
        Path(temporary).chmod(0o755)
        data, log_file = folder or Path(temporary) / "data", Path(temporary) / "log"
        ports = {"PORT": "0", "HTTP_PORT": "0", "COMPANION_PORT": "0"}
        command = [
            sys.executable,
            "-m",
            "immich_aio",
            "sandbox",
            "--data",
            str(data),
            "--port",
            "0",
        ]
        with log_file.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603  # our own tool
                [*command, *options],
                env={**os.environ, **ports},
                cwd=temporary,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            _wait(process, log_file)
            known = json.loads((data / "running.json").read_text())
            made = _Sandbox(*(known[name] for name in _Sandbox.__slots__))
            _wait_for_search(made)
            yield made
        finally:
            process.terminate()
            process.wait(60)


def _wait(process: subprocess.Popen[bytes], log_file: Path) -> None:
    end = time.monotonic() + READY
    while "Ready after" not in log_file.read_text():
        assert process.poll() is None, log_file.read_text()
        assert time.monotonic() < end, log_file.read_text()
        time.sleep(0.5)


def _wait_for_search(sandbox: _Sandbox) -> None:
    end = time.monotonic() + READY
    while "immich_aio_search_ready 1.0" not in _metrics(sandbox):
        assert time.monotonic() < end, "the text index was not made in time"
        time.sleep(0.5)


def _ours(sandbox: _Sandbox) -> int:
    """How many searches were answered by us."""
    line = 'immich_aio_search_seconds_count{outcome="ours"} '
    found = [one for one in _metrics(sandbox).splitlines() if one.startswith(line)]
    return int(float(found[0].removeprefix(line))) if found else 0


def _metrics(sandbox: _Sandbox) -> str:
    with urllib.request.urlopen(f"{sandbox.companion}aio/metrics", timeout=30) as reply:  # noqa: S310  # our own loopback address
        return str(reply.read().decode())


@contextlib.contextmanager
def _older_plans(sandbox: _Sandbox) -> Iterator[None]:
    """Have the database plan as Immich's own does; whoever is connected connects again."""
    with psycopg.connect(sandbox.database, autocommit=True) as connection:
        connection.execute("ALTER DATABASE immich SET enable_incremental_sort = off")
        connection.execute(OTHERS_END)
    time.sleep(5)
    _wait_for_search(sandbox)
    try:
        yield
    finally:
        with psycopg.connect(sandbox.database, autocommit=True) as connection:
            connection.execute("ALTER DATABASE immich RESET enable_incremental_sort")

"""The cluster: what asking a replica through Ray Serve costs, and what a second replica brings.

    ./aio bench cluster [--rounds N] [--json]

The plain service in one process beside one Ray node, in one run: short texts for a CLIP model so
small that it takes no time, which shows the overhead alone; and photos for the real OCR, a core a
replica, by one replica and by two against as many workers of the plain service. Client,
services and all of Ray's own processes share the machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.product import Product, running
from bench.ray_cluster import ROOT, Cluster, cluster
from bench.relay_client import file_request, json_request, took, until_it_answers
from immich_aio.engines.cores import cpu_name, usable_cores

KEY = "the benchmark's own"
MODEL = ROOT / "src/immich_aio/services/sandbox/model/colours.pt"
SAMPLES = ROOT / "src/immich_aio/services/sandbox/samples"
PHOTOS = ("invoice-hotel", "tram-notice", "train-times", "invoice-english", "exit", "wifi-card")
TEXTS = [json_request("/clip/txt", KEY, {"text": f"海边 {number}"}) for number in range(50)]
CLIENTS = 4
COUNTS = (1, 2)
"""Replicas of OCR, and workers of the plain service."""


@dataclass(frozen=True)
class Sides:
    """Where both answer."""

    plain: str
    ray: str


def main(arguments: Sequence[str]) -> None:
    """Measure and print; with ``--json`` the last line is one JSON object."""
    parser = argparse.ArgumentParser(prog="bench cluster", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each side")
    parser.add_argument("--json", action="store_true", help="end in one line of JSON")
    options = parser.parse_args(arguments)
    print(f"{cpu_name()}, {usable_cores()} cores", flush=True)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        settings = _settings(Path(folder))
        with cluster([4], settings) as nodes:
            for count in COUNTS:
                nodes.deploy(_config(nodes, count))
                with _plain(settings, count) as plain:
                    sides = Sides(plain.ai, nodes.url)
                    if count == 1:
                        figures |= asyncio.run(_overhead(sides, options.rounds))
                    figures |= asyncio.run(_throughput(sides, options.rounds, count))
                    print(
                        f"resident MB: plain {plain.resident_mb:.0f}, Ray {nodes.resident_mb:.0f}"
                    )
            figures["rss_mb_ray"] = round(nodes.resident_mb)
    figures["two_replicas_ratio"] = round(figures["rate_ray_2"] / figures["rate_ray_1"], 3)
    figures["two_workers_ratio"] = round(figures["rate_plain_2"] / figures["rate_plain_1"], 3)
    print(
        f"OCR, two replicas against one: × {figures['two_replicas_ratio']:.2f}; two workers of the "
        f"plain service against one: × {figures['two_workers_ratio']:.2f}"
    )
    if options.json:
        print(json.dumps(figures))


def _settings(folder: Path) -> dict[str, str]:
    settings = {
        "API_AUTH_KEY": KEY,
        "CLIP_MODEL": "colours",
        "CLIP_DOWNLOAD_ROOT": str(folder),
        "MODEL_TTL": "0",
    }
    command = [sys.executable, "-m", "immich_aio", "models", "import", str(MODEL)]
    environment = {**os.environ, **settings}
    subprocess.run(command, env=environment, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own tool
    return settings


def _config(nodes: Cluster, replicas: int) -> Path:
    file = nodes.folder / "cluster.yaml"
    nodes.run("config", f"--ocr-replicas={replicas}", f"--output={file}")
    return file


@contextlib.contextmanager
def _plain(settings: Mapping[str, str], workers: int) -> Iterator[Product]:
    own = {"OCR_WORKERS": str(workers), "MODEL_PRELOAD": "ocr,clip"}
    with running({**settings, **own}, "ai") as plain:
        yield plain


async def _overhead(sides: Sides, rounds: int) -> dict[str, float]:
    """A request at a time, of which next to nothing is inference."""
    added, plain = [], []
    for url in (sides.plain, sides.ray):
        await until_it_answers(url, TEXTS[0])
        await took(url, TEXTS, 1, 200)
    for number in range(rounds):
        one, other = [(await took(url, TEXTS, 1, 300)) for url in (sides.plain, sides.ray)]
        many = [(await took(url, TEXTS, 16, 600)).rate for url in (sides.plain, sides.ray)]
        added.append(other.p50_ms - one.p50_ms)
        plain.append(one.p50_ms)
        print(
            f"round {number + 1}: a text, one client, p50: plain {one.p50_ms:.2f} ms, Ray "
            f"{other.p50_ms:.2f} ms (+{added[-1]:.2f}); 16 clients: plain {many[0]:.0f}/s, Ray "
            f"{many[1]:.0f}/s",
            flush=True,
        )
    return {
        "added_p50_ms": round(statistics.median(added), 2),
        "plain_p50_ms": round(statistics.median(plain), 2),
    }


async def _throughput(sides: Sides, rounds: int, count: int) -> dict[str, float]:
    """Photos for OCR, which is nearly all inference."""
    photos = [(SAMPLES / f"{name}.jpg").read_bytes() for name in PHOTOS]
    requests = [file_request("/ocr", KEY, photo) for photo in photos]
    rates: dict[str, list[float]] = {sides.plain: [], sides.ray: []}
    for url in rates:
        await until_it_answers(url, requests[0])
        await took(url, requests, CLIENTS, len(requests) * 2)
    for number in range(rounds):
        # Who goes first changes, for a machine that others use may grow slower or faster.
        for url in list(rates)[:: 1 if number % 2 else -1]:
            rates[url].append((await took(url, requests, CLIENTS, 30)).rate)
        print(
            f"round {number + 1}: OCR, {CLIENTS} clients: plain with {count} worker(s) "
            f"{rates[sides.plain][-1]:.2f}/s, Ray with {count} replica(s) "
            f"{rates[sides.ray][-1]:.2f}/s",
            flush=True,
        )
    plain, ray = (statistics.median(each) for each in rates.values())
    ratio = statistics.median(b / a for a, b in zip(*rates.values(), strict=True))
    return {
        f"rate_plain_{count}": round(plain, 2),
        f"rate_ray_{count}": round(ray, 2),
        f"ratio_{count}": round(ratio, 3),
    }


if __name__ == "__main__":
    main(sys.argv[1:])

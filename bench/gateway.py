"""The gateway: what it costs to ask through it, side by side with asking directly.

    ./aio bench gateway [--rounds N] [--quick] [--json]

In front of a backend that does nothing, with photos of 300 kB as Immich sends them; and in front of
the real OCR engine in another process. Client, gateway and backend share the machine's cores. The
sides take turns, round by round; a figure is the median of the rounds' own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from bench.ocr_client import ENTRIES
from bench.product import Product, running, server
from bench.relay_client import (
    Connection,
    clip_request,
    file_request,
    predict_request,
    took,
    until_it_answers,
)
from immich_aio.engines.cores import cpu_name, usable_cores

PHOTO_BYTES = 300_000
CLIENTS = 16
IDLE_CLIENTS = 1000
KEY = "the benchmark's own"
SAMPLES = Path(__file__).parents[1] / "samples"


def main(arguments: Sequence[str]) -> None:
    """Measure and print; with ``--json`` the last line is one JSON object."""
    parser = argparse.ArgumentParser(prog="bench gateway", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each side")
    parser.add_argument("--quick", action="store_true", help="leave the OCR engine out")
    parser.add_argument("--json", action="store_true", help="end in one line of JSON")
    options = parser.parse_args(arguments)
    print(f"{cpu_name()}, {usable_cores()} cores", flush=True)
    figures = uvloop.run(_relayed(options.rounds))
    if not options.quick:
        figures |= uvloop.run(_engine(max(3, options.rounds // 2)))
    if options.json:
        print(json.dumps(figures))


async def _relayed(rounds: int) -> dict[str, float]:
    """In front of the backend that does nothing."""
    request = [clip_request(PHOTO_BYTES)]
    added, ratios = [], []
    with (
        server("bench.trivial_backend") as backend,
        running({"IMMICH_API": backend}, "gateway") as product,
    ):
        for url in (backend, product.gateway):
            await until_it_answers(url, request[0])
            await took(url, request, CLIENTS, 500)
        for number in range(rounds):
            alone = [await took(url, request, 1, 300) for url in (backend, product.gateway)]
            many = [await took(url, request, CLIENTS, 1500) for url in (backend, product.gateway)]
            added.append(alone[1].p50_ms - alone[0].p50_ms)
            ratios.append(many[1].rate / many[0].rate)
            print(
                f"round {number + 1}: one client, p50: direct {alone[0].p50_ms:.2f} ms, gateway "
                f"{alone[1].p50_ms:.2f} ms (+{added[-1]:.2f}); {CLIENTS} clients: direct "
                f"{many[0].rate:.0f}/s, gateway {many[1].rate:.0f}/s ({ratios[-1]:.0%})",
                flush=True,
            )
        idle = await _with_idle_clients(product, request[0])
    return {
        "added_p50_ms": round(statistics.median(added), 2),
        "relay_ratio": round(statistics.median(ratios), 3),
        "rss_mb_1000_idle": round(idle),
    }


async def _with_idle_clients(product: Product, request: bytes) -> float:
    """Resident memory with clients that have each sent a photo, and stay."""
    before, connections = product.resident_mb, []
    for _ in range(IDLE_CLIENTS):
        connections.append(await Connection.to(product.gateway))
        await connections[-1].ask(request)
    idle = product.resident_mb
    print(f"resident MB: {before:.0f} before, {idle:.0f} with {IDLE_CLIENTS} idle clients")
    for connection in connections:
        connection.close()
    return idle


async def _engine(rounds: int) -> dict[str, float]:
    """In front of the real OCR engine, which another process runs."""
    photos = [path.read_bytes() for path in sorted(SAMPLES.glob("*.jpg"))]
    direct = [file_request("/ocr", KEY, photo) for photo in photos]
    through = [predict_request(json.loads(ENTRIES), photo) for photo in photos]
    ratios = []
    with running({"API_AUTH_KEY": KEY, "MODEL_TTL": "0"}, "ai") as ai:
        settings = {"MT_PHOTOS_API": ai.ai, "MT_PHOTOS_API_KEY": KEY}
        with running(settings, "gateway") as product:
            sides = ((ai.ai, direct), (product.gateway, through))
            for url, requests in sides:
                await until_it_answers(url, requests[0])
                await took(url, requests, 4, len(photos))
            for number in range(rounds):
                # Who goes first changes, for a machine that others use may grow slower or faster.
                order = sides if number % 2 else sides[::-1]
                rates = {url: (await took(url, each, 4, 24)).rate for url, each in order}
                ratios.append(rates[product.gateway] / rates[ai.ai])
                print(
                    f"round {number + 1}: OCR, four clients: direct {rates[ai.ai]:.2f}/s, gateway "
                    f"{rates[product.gateway]:.2f}/s ({ratios[-1]:.1%})",
                    flush=True,
                )
    return {"engine_ratio": round(statistics.median(ratios), 3)}


if __name__ == "__main__":
    main(sys.argv[1:])

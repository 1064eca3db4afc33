"""The companion: what it costs to ask Immich through it, side by side with asking directly.

    ./aio bench companion [--rounds N] [--upload-gb N] [--assets N] [--data DIR] [--json]

In front of a server that does nothing, with thumbnails of 30 kB; and an upload of 5 GB, made up as
it is sent, while the companion's memory is watched. Client, companion and server share the
machine's cores. The sides take turns, round by round; a figure is the median of the rounds' own.
Then searches (see ``companion_search.py``); ``--data`` keeps the large sandbox for the next run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from bench.companion_search import search_figures
from bench.product import Product, running, server
from bench.relay_client import took, until_it_answers
from immich_aio.engines.cores import cpu_name, usable_cores

CLIENTS = 16
PIECE = bytes(1024 * 1024)
LOOK = 0.05
"""Seconds between two looks at the companion's memory."""

HEADERS = (
    "Host: photos.example.com",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140 Safari/537.36",
    "Accept: image/avif,image/webp,image/apng,*/*;q=0.8",
    "Accept-Language: en,zh-CN;q=0.7",
    "Accept-Encoding: gzip, deflate, br",
    "Referer: http://photos.example.com/photos",
    "Cookie: immich_access_token=0123456789abcdefghijklmnopqrstuvwxyz; immich_auth_type=password",
    "Sec-Fetch-Dest: image",
    "Sec-Fetch-Mode: no-cors",
    "Sec-Fetch-Site: same-origin",
)
"""What a browser sends for each thumbnail."""

PATH = "/api/assets/6f1c2f6e-8b39-4bd0-9f0a-4a53f9d3d0c1/thumbnail?size=thumbnail"
THUMBNAIL = "\r\n".join([f"GET {PATH} HTTP/1.1", *HEADERS, "", ""]).encode()


def main(arguments: Sequence[str]) -> None:
    """Measure and print; with ``--json`` the last line is one JSON object."""
    parser = argparse.ArgumentParser(prog="bench companion", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each side")
    parser.add_argument("--upload-gb", type=float, default=5, help="size of the upload, 10⁹ bytes")
    parser.add_argument("--json", action="store_true", help="end in one line of JSON")
    parser.add_argument("--assets", type=int, default=200_000, help="of the large library")
    parser.add_argument("--data", type=Path, help="a folder to keep the large library in")
    options = parser.parse_args(arguments)
    print(f"{cpu_name()}, {usable_cores()} cores", flush=True)
    figures = uvloop.run(_relayed(options.rounds, int(options.upload_gb * 1e9)))
    figures |= asyncio.run(search_figures(options.assets, options.data))
    if options.json:
        print(json.dumps(figures))


async def _relayed(rounds: int, size: int) -> dict[str, float]:
    with (
        server("bench.immich_stand_in") as immich,
        running({"IMMICH_URL": immich}, "companion") as product,
    ):
        sides = (immich, product.companion)
        for url in sides:
            await until_it_answers(url, THUMBNAIL)
            await took(url, [THUMBNAIL], CLIENTS, 2000)
        added, ratios = await _thumbnails(sides, rounds)
        upload = await _upload(product, size)
    return {
        "relay_ratio": round(statistics.median(ratios), 3),
        "added_p50_ms": round(statistics.median(added), 2),
        "upload_rss_mb": round(upload.resident_mb),
    }


async def _thumbnails(sides: tuple[str, str], rounds: int) -> tuple[list[float], list[float]]:
    added, ratios = [], []
    for number in range(rounds):
        alone = [await took(url, [THUMBNAIL], 1, 1000) for url in sides]
        many = [await took(url, [THUMBNAIL], CLIENTS, 6000) for url in sides]
        added.append(alone[1].p50_ms - alone[0].p50_ms)
        ratios.append(many[1].rate / many[0].rate)
        print(
            f"round {number + 1}: one client, p50: direct {alone[0].p50_ms:.2f} ms, companion "
            f"{alone[1].p50_ms:.2f} ms (+{added[-1]:.2f}); {CLIENTS} clients: direct "
            f"{many[0].rate:.0f}/s, companion {many[1].rate:.0f}/s ({ratios[-1]:.0%})",
            flush=True,
        )
    return added, ratios


@dataclass(frozen=True)
class Upload:
    """The most memory that the companion had meanwhile."""

    resident_mb: float


async def _upload(product: Product, size: int) -> Upload:
    """Send so many bytes as one upload."""
    before, most = product.resident_mb, 0.0
    parts = urlsplit(product.companion)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    began = time.monotonic()

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, product.resident_mb)
            await asyncio.sleep(LOOK)

    watching = asyncio.create_task(watch())
    lines = ["POST /api/assets HTTP/1.1", *HEADERS, f"Content-Length: {size}", "", ""]
    writer.write("\r\n".join(lines).encode())
    for start in range(0, size, len(PIECE)):
        writer.write(PIECE[: size - start])
        await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    watching.cancel()
    assert head.startswith(b"HTTP/1.1 201"), head
    assert f'"size": {size}'.encode() in await reader.readuntil(b"}")
    seconds = time.monotonic() - began
    writer.close()
    print(
        f"an upload of {size / 1e9:.1f} GB: {before:.0f} MB resident before, at most {most:.0f}; "
        f"{size / 1e6 / seconds:.0f} MB/s"
    )
    return Upload(most)


if __name__ == "__main__":
    main(sys.argv[1:])

"""What a photo costs each process, and what a second replica brings, held against a model.

    ./aio bench scaling [--rounds N] [--json]

A replica is an AI service on one core; a gateway is in front of one of them, another in front of
both. Networks have their real size (weights of CLIP and faces are random), photos that of Immich's
previews. The model has two constants a photo, measured with one replica: seconds of CPU at the
replica, and at the gateway with the client that sends it.

    photos/s = min(replicas / seconds at a replica, cores / seconds of all)

So n replicas do n times as much until the cores are used up, as those of this machine are by two
replicas, gateway and client; machines of their own never share them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import psutil

from bench.checkpoints import write_random_checkpoint
from bench.clip_client import encode_images, encode_texts
from bench.clip_samples import QUERIES, picture_file
from bench.face_networks import write_pack
from bench.faces import picture_of_faces
from bench.faces_client import find_faces
from bench.ocr_client import read_all
from bench.ocr_images import draw_bench_set, encode
from bench.product import Product, running
from immich_aio.engines.clip.architecture import OFFICIAL
from immich_aio.engines.cores import cpu_name, usable_cores

CONCURRENCY = 6
"""Photos on their way at once: both replicas always have some."""
MODEL, PACK = "ViT-B-16", "buffalo_l"
STAGE_SUM = "_stage_seconds_sum{"


@dataclass(frozen=True, slots=True)
class Work:
    """Photos or texts of one kind; ``send`` has them all done by way of a gateway."""

    name: str
    count: int
    send: Callable[[str], Awaitable[object]]


@dataclass(slots=True)
class Cost:
    """What one photo took, by round: seconds of CPU, and photos a second."""

    replica: list[float] = field(default_factory=list)
    both_busy: list[float] = field(default_factory=list)
    """At a replica while the other works too."""
    gateway: list[float] = field(default_factory=list)
    client: list[float] = field(default_factory=list)
    rate_one: list[float] = field(default_factory=list)
    rate_two: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stand:
    """Two replicas, and gateways in front of the first and of both."""

    replicas: tuple[Product, Product]
    before_one: Product
    before_two: Product


def main(arguments: Sequence[str]) -> None:
    """Measure and print; with ``--json`` the last line is one JSON object."""
    parser = argparse.ArgumentParser(prog="bench scaling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each kind of work")
    parser.add_argument("--json", action="store_true", help="end in one line of JSON")
    options = parser.parse_args(arguments)
    print(f"{cpu_name()}, {usable_cores()} cores, a replica on one", flush=True)
    with tempfile.TemporaryDirectory() as folder, _standing(Path(folder)) as stand:
        figures = asyncio.run(_measure(stand, options.rounds))
    if options.json:
        print(json.dumps(figures))


async def _measure(stand: Stand, rounds: int) -> dict[str, object]:
    figures: dict[str, object] = {}
    for work in _works():
        await work.send(stand.before_two.gateway)  # what is met for the first time is slower
        await work.send(stand.before_one.gateway)
        before, cost = _stages(stand.replicas[0]), Cost()
        for _ in range(rounds):
            await _once(stand, work, cost)
        after = _stages(stand.replicas[0])
        figures[work.name] = _told(work, cost, before, after)
    for name, product in (("replica", stand.replicas[0]), ("gateway", stand.before_two)):
        figures[f"{name}_mb"] = round(product.resident_mb)
        print(f"resident memory of a {name}, all networks in use: {product.resident_mb:.0f} MB")
    return figures


async def _once(stand: Stand, work: Work, cost: Cost) -> None:
    """One round: by way of one replica, then of two."""
    watched = (stand.replicas[0], stand.before_one)
    used, own = [_cpu(one) for one in watched], time.process_time()
    cost.rate_one.append(await _rate(work, stand.before_one))
    spent = [(_cpu(one) - old) / work.count for one, old in zip(watched, used, strict=True)]
    cost.replica.append(spent[0])
    cost.gateway.append(spent[1])
    cost.client.append((time.process_time() - own) / work.count)
    used = [_cpu(one) for one in stand.replicas]
    cost.rate_two.append(await _rate(work, stand.before_two))
    both = [_cpu(one) - old for one, old in zip(stand.replicas, used, strict=True)]
    cost.both_busy.append(sum(both) / work.count)


async def _rate(work: Work, gateway: Product) -> float:
    started = time.perf_counter()
    await work.send(gateway.gateway)
    return work.count / (time.perf_counter() - started)


def _told(
    work: Work, cost: Cost, before: Mapping[str, float], after: Mapping[str, float]
) -> dict[str, object]:
    """Print what was found and what the model says of it."""
    replica, both, gateway, client, one, two = (
        statistics.median(each)
        for each in (
            cost.replica,
            cost.both_busy,
            cost.gateway,
            cost.client,
            cost.rate_one,
            cost.rate_two,
        )
    )
    predicted = min(2 / replica, usable_cores() / (replica + gateway + client))
    print(
        f"{work.name}: CPU of one: replica {replica * 1e3:.1f} ms ({both * 1e3:.1f} while the "
        f"other works), gateway {gateway * 1e3:.2f} ms, client {client * 1e3:.2f} ms; one replica "
        f"{one:.2f}/s (model {1 / replica:.2f}), two {two:.2f}/s (model {predicted:.2f}, "
        f"{two / predicted - 1:+.0%})",
        flush=True,
    )
    grown = {stage: after[stage] - before.get(stage, 0.0) for stage in after}
    whole = sum(grown.values())
    shares = {stage: round(each / whole, 3) for stage, each in grown.items() if each > 0}
    print("  where a request's time went: " + ", ".join(f"{k} {v:.0%}" for k, v in shares.items()))
    return {
        "replica_ms": round(replica * 1e3, 2),
        "replica_ms_both_busy": round(both * 1e3, 2),
        "gateway_ms": round(gateway * 1e3, 2),
        "rate_one": round(one, 2),
        "rate_two": round(two, 2),
        "model_one": round(1 / replica, 2),
        "model_two": round(predicted, 2),
        "stages": shares,
    }


def _cpu(product: Product) -> float:
    """Seconds of CPU that a process has used."""
    times = product.process.cpu_times()
    return float(times.user + times.system)


def _stages(replica: Product) -> dict[str, float]:
    """Seconds by stage, without waiting, since the start, summed up over what is asked of it."""
    with urlopen(f"{replica.ai}/metrics", timeout=30) as reply:  # noqa: S310  # our own loopback address
        lines = reply.read().decode().splitlines()
    stages: dict[str, float] = {}
    for line in lines:
        if STAGE_SUM in line and 'stage="queue"' not in line:
            stage = line.partition('stage="')[2].partition('"')[0]
            stages[stage] = stages.get(stage, 0.0) + float(line.rpartition(" ")[2])
    return stages


def _works() -> list[Work]:
    pages = {one.name: encode(one.image) for one in draw_bench_set()[::2]}
    photos = [picture_file(number, 1440, 1080, kind="JPEG") for number in range(48)]
    people = [picture_of_faces(number) for number in range(32)]
    texts = [f"{query} {number}" for number in range(20) for query in QUERIES]
    return [
        Work("ocr", len(pages), lambda url: read_all(url, pages, CONCURRENCY)),
        Work("clip image", len(photos), lambda url: encode_images(url, photos, CONCURRENCY)),
        Work("clip text", len(texts), lambda url: _side_by_side(url, texts)),
        Work("faces", len(people), lambda url: find_faces(url, people, CONCURRENCY)),
    ]


async def _side_by_side(url: str, texts: Sequence[str]) -> None:
    await asyncio.gather(*(encode_texts(url, texts[at::CONCURRENCY]) for at in range(CONCURRENCY)))


@contextlib.contextmanager
def _standing(folder: Path) -> Iterator[Stand]:
    """Start all; networks are written to the folder first."""
    write_random_checkpoint(folder / "clip_cn_vit-b-16.pt", OFFICIAL[MODEL])
    write_pack(folder / PACK, large=True)
    models = {
        "CLIP_MODEL": MODEL,
        "CLIP_DOWNLOAD_ROOT": str(folder),
        "FACES_DOWNLOAD_ROOT": str(folder),
        "ACCEPT_FACES_LICENSE": "on",
        "MODEL_DOWNLOAD": "off",
        "MODEL_TTL": "0",
    }
    with contextlib.ExitStack() as stack:
        replicas = []
        for core in sorted(os.sched_getaffinity(0))[:2]:
            with _on_core(core):
                replicas.append(stack.enter_context(running(models, "ai")))
        gateways = []
        for served in (replicas[:1], replicas):
            config = folder / f"gateway-{len(served)}.toml"
            config.write_text(_config(served))
            settings = {"GATEWAY_CONFIG": str(config), "TEXT_CACHE": "0"}
            gateways.append(stack.enter_context(running(settings, "gateway")))
        yield Stand((replicas[0], replicas[1]), *gateways)


@contextlib.contextmanager
def _on_core(core: int) -> Iterator[None]:
    """What is started meanwhile sees one core only, and stays there."""
    usual = psutil.Process().cpu_affinity()
    psutil.Process().cpu_affinity([core])
    try:
        yield
    finally:
        psutil.Process().cpu_affinity(usual)


def _config(replicas: Sequence[Product]) -> str:
    names = [f"replica{number}" for number in range(len(replicas))]
    models = f'clip_model = "{MODEL}", face_pack = "{PACK}"'
    backends = [
        f'{name} = {{ kind = "mt-photos", url = "{one.ai}", {models} }}'
        for name, one in zip(names, replicas, strict=True)
    ]
    return "\n".join(["[backends]", *backends, "[[routes]]", f"order = [{json.dumps(names)}]"])

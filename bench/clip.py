"""CLIP: ViT-B-16 against ``cn_clip`` on PyTorch in float32, side by side in one run.

    ./aio bench clip [--rounds N] [--json]

The weights are random, in the official format, and the same on both sides. The sides take turns,
round by round; a ratio is the median of the rounds' ratios. Towers are measured from what they take
(pixels, texts) to vectors; over HTTP it is from files to vectors, ours in Immich's protocol, eight
requests at a time, the baseline's without any protocol, one file after another.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from bench.baseline import baseline_process
from bench.checkpoints import write_random_checkpoint
from bench.clip_client import encode_images, encode_texts, text_times_under_load
from bench.clip_samples import QUERIES, TEXTS, picture_file
from bench.product import Product, running
from immich_aio.domain.images import ImageLimits
from immich_aio.engines.clip.architecture import OFFICIAL
from immich_aio.engines.clip.choice import clip_choice
from immich_aio.engines.clip.conversion import converted
from immich_aio.engines.clip.preprocessing import square
from immich_aio.engines.clip.tokeniser import Tokeniser
from immich_aio.engines.clip.towers import ImageTower, TextTower
from immich_aio.engines.cores import cpu_name, usable_cores
from immich_aio.engines.memory import trim_memory

MODEL = "ViT-B-16"
FILES = 48
CONCURRENCY = 8
QUERIES_UNDER_LOAD = 200
IDLE_SECONDS = 5
TAKES = 5
"""How often a tower is measured in a round; the median counts."""


class Baseline:
    """cn_clip in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.ask()

    def ask(self, **asked: object) -> float:
        """Seconds that something took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if asked:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the baseline ended; its own message stands above")
        value = json.loads(answer)
        return float(value) if asked else 0.0


@contextlib.contextmanager
def baseline(checkpoint: Path, folder: Path) -> Iterator[Baseline]:
    """Start the baseline and wait until it is ready."""
    with baseline_process("clip", checkpoint, folder) as process:
        yield Baseline(process)


def main(arguments: Sequence[str]) -> None:
    """Measure and print; with ``--json`` the last line is one JSON object."""
    parser = argparse.ArgumentParser(prog="bench clip", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each side")
    parser.add_argument("--json", action="store_true", help="end in one line of JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(_measure(Path(folder), options.rounds))
    if options.json:
        print(json.dumps(figures))


async def _measure(folder: Path, rounds: int) -> dict[str, object]:
    choice = clip_choice("auto", "auto", "auto", usable_cores())
    print(f"{cpu_name()}, {usable_cores()} cores; {MODEL}, {choice.description}", flush=True)
    models, images = folder / "models", folder / "images"
    models.mkdir()
    images.mkdir()
    checkpoint = models / "clip_cn_vit-b-16.pt"
    write_random_checkpoint(checkpoint, OFFICIAL[MODEL])
    files = [picture_file(number, 1440, 1080, kind="JPEG") for number in range(FILES)]
    for number, file in enumerate(files):
        (images / f"{number:03}.jpg").write_bytes(file)
    settings = {
        "CLIP_MODEL": MODEL,
        "CLIP_DOWNLOAD_ROOT": str(models),
        "MODEL_DOWNLOAD": "off",
        "TEXT_CACHE": "0",  # the same queries come again
    }
    with baseline(checkpoint, images) as theirs:
        figures = _towers(theirs, checkpoint, files, rounds)
        trim_memory()
        loaded = {**settings, "MODEL_PRELOAD": "none", "MODEL_TTL": "0"}
        with running(loaded) as product:
            figures |= await _over_http(theirs, product, files, rounds)
            figures |= await _cosine(theirs, product, files, folder / "theirs.npz")
            figures |= await _under_load(product, files)
    idling = {**settings, "MODEL_PRELOAD": "none", "MODEL_TTL": str(IDLE_SECONDS)}
    with running(idling) as product:
        figures |= await _memory(product, files)
    return figures


def _towers(
    theirs: Baseline, checkpoint: Path, files: Sequence[bytes], rounds: int
) -> dict[str, object]:
    """Both towers alone, in this process, against the baseline's."""
    choice = clip_choice("auto", "auto", "auto", usable_cores())
    model, tokeniser = converted(checkpoint, choice.precision), Tokeniser()
    images, texts = ImageTower(model, choice), TextTower(model, choice)
    pixels = [square(file, ImageLimits(), model.side).pixels for file in files[:8]]

    def encode_queries(batch: int) -> None:
        texts.vectors([tokeniser.tokens(query) for query in QUERIES[:batch]])

    def measured(do: str, batch: int, ours: Callable[[], object], takes: int) -> float:
        ratios = []
        for number in range(rounds):
            base = statistics.median(theirs.ask(do=do, batch=batch) for _ in range(takes))
            mine = statistics.median(_seconds(ours) for _ in range(takes * 2))
            ratios.append(base / mine)
            rates = f"{batch / base:.1f}/s, ours {batch / mine:.1f}/s"
            print(
                f"round {number + 1}: {do}, batch {batch}: baseline {rates} (×{ratios[-1]:.2f})",
                flush=True,
            )
        return round(statistics.median(ratios), 2)

    for batch in (1, 8):  # what a tower meets for the first time is slower
        images.vectors(pixels[:batch])
        encode_queries(batch)
    figures: dict[str, object] = {
        "image_ratio_b1": measured("images", 1, lambda: images.vectors(pixels[:1]), TAKES),
        "image_ratio_b8": measured("images", 8, lambda: images.vectors(pixels), TAKES // 2),
        "text_ratio_b8": measured("texts", 8, lambda: encode_queries(8), TAKES),
    }
    measured("texts", 1, lambda: encode_queries(1), TAKES)
    return figures


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


async def _over_http(
    theirs: Baseline, product: Product, files: Sequence[bytes], rounds: int
) -> dict[str, object]:
    await encode_images(product.gateway, files, CONCURRENCY)
    ratios = []
    for number in range(rounds):
        base = theirs.ask(do="files")
        mine, _ = await encode_images(product.gateway, files, CONCURRENCY)
        ratios.append(base / mine)
        rates = f"{len(files) / base:.2f}/s, ours {len(files) / mine:.2f}/s"
        print(f"round {number + 1}: files: baseline {rates} (×{ratios[-1]:.2f})", flush=True)
    return {"http_ratio_c8": round(statistics.median(ratios), 2)}


async def _cosine(
    theirs: Baseline, product: Product, files: Sequence[bytes], path: Path
) -> dict[str, object]:
    """The least cosine of what the product serves to what the baseline computes."""
    theirs.ask(do="vectors", path=str(path))
    with np.load(path) as stored:
        expected = stored["images"], stored["texts"]
    _, images = await encode_images(product.gateway, files, CONCURRENCY)
    texts = await encode_texts(product.gateway, QUERIES)
    cosines = [
        float((ours * base).sum(axis=1).min())
        for ours, base in zip((images, texts), expected, strict=True)
    ]
    print(f"least cosine to the baseline: images {cosines[0]:.6f}, texts {cosines[1]:.6f}")
    return {"min_cosine": round(min(cosines), 6)}


async def _under_load(product: Product, files: Sequence[bytes]) -> dict[str, object]:
    await encode_texts(product.gateway, QUERIES)
    times = await text_times_under_load(
        product.gateway, files, QUERIES, concurrency=CONCURRENCY, count=QUERIES_UNDER_LOAD
    )
    p95 = statistics.quantiles(times, n=20)[18]
    print(f"text query while images saturate: p50 {statistics.median(times):.1f} ms, p95 {p95:.1f}")
    return {"text_p95_ms_under_load": round(p95, 1)}


async def _memory(product: Product, files: Sequence[bytes]) -> dict[str, object]:
    """Resident memory with both towers in use, and when they have been idle."""
    before = product.resident_mb
    await encode_images(product.gateway, files, CONCURRENCY)
    await encode_texts(product.gateway, [*QUERIES, *TEXTS])
    used = product.resident_mb
    await asyncio.sleep(IDLE_SECONDS * 2)
    idle = product.resident_mb
    print(f"resident MB: {before:.0f} at the start, {used:.0f} in use, {idle:.0f} when idle")
    return {"rss_mb": round(used), "rss_mb_idle": round(idle)}


if __name__ == "__main__":
    main(sys.argv[1:])

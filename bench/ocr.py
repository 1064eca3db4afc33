"""OCR: the product over HTTP in Immich's protocol against plain RapidOCR, side by side in one run.

    ./aio bench ocr [--rounds N] [--quick] [--json]

Baseline, product and product on ONNX Runtime take turns, round by round, over the same images; the
ratio is the median of the rounds' ratios. Every side first sees the images once outside the
measurement (the baseline three of them: it keeps nothing for a shape it has met).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image

from bench.character_error import character_errors
from bench.ocr_client import Line, ping_while_busy, read_all
from bench.ocr_images import BenchImage, draw_bench_set, encode
from bench.product import Product, running
from immich_aio.engines.cores import cpu_name, usable_cores

CONCURRENCY = 4
MEMORY_SIZES = 40


class Baseline:
    """Plain RapidOCR in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def round(self) -> tuple[float, dict[str, list[Line]]]:
        """Seconds for all images, and the lines of each."""
        reply = json.loads(self._ask("go\n"))
        lines = {
            name: [(text, tuple(map(tuple, quad))) for text, quad in found]
            for name, found in reply["lines"].items()
        }
        return float(reply["seconds"]), lines

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextlib.contextmanager
def baseline(images: Mapping[str, bytes]) -> Iterator[Baseline]:
    """Start the baseline over these images and wait until it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        for name, image in images.items():
            Path(folder, f"{name}.jpg").write_bytes(image)
        command = [sys.executable, "-m", "bench.ocr_baseline", folder]
        process = subprocess.Popen(  # noqa: S603  # our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield Baseline(process)
        finally:
            process.terminate()
            process.wait(60)


def main(arguments: Sequence[str]) -> None:
    """Measure and print; with ``--json`` the last line is one JSON object."""
    parser = argparse.ArgumentParser(prog="bench ocr", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="rounds of each side")
    parser.add_argument("--quick", action="store_true", help="every third image, less memory work")
    parser.add_argument("--json", action="store_true", help="end in one line of JSON")
    options = parser.parse_args(arguments)
    found = draw_bench_set()[:: 3 if options.quick else 1]
    figures = asyncio.run(_measure(found, options.rounds, quick=options.quick))
    if options.json:
        print(json.dumps(figures))


async def _measure(found: list[BenchImage], rounds: int, *, quick: bool) -> dict[str, object]:
    images = {image.name: encode(image.image) for image in found}
    print(f"{cpu_name()}, {usable_cores()} cores; {len(images)} images", flush=True)
    figures = await _speed(found, images, rounds)
    with running({}) as product:
        figures |= await _memory(product, images, 120 if quick else 600)
        figures |= await _latency(product, images)
    return figures


async def _speed(
    found: list[BenchImage], images: dict[str, bytes], rounds: int
) -> dict[str, object]:
    ratios: list[float] = []
    ratios_onnxruntime: list[float] = []
    with (
        baseline(images) as plain,
        running({"OCR_RUNTIME": "auto"}) as ours,
        running({"OCR_RUNTIME": "onnxruntime"}) as on_onnxruntime,
    ):
        for product in (ours, on_onnxruntime):
            await read_all(product.gateway, images, CONCURRENCY)
        for number in range(rounds):
            base_s, base_lines = plain.round()
            ours_s, answers = await read_all(ours.gateway, images, CONCURRENCY)
            ort_s, _ = await read_all(on_onnxruntime.gateway, images, CONCURRENCY)
            ratios.append(base_s / ours_s)
            ratios_onnxruntime.append(base_s / ort_s)
            rates = [len(images) / seconds for seconds in (base_s, ours_s, ort_s)]
            print(
                f"round {number + 1}: images/s: baseline {rates[0]:.2f}, ours {rates[1]:.2f} "
                f"(×{ratios[-1]:.2f}), on ONNX Runtime {rates[2]:.2f} (×{base_s / ort_s:.2f})",
                flush=True,
            )
    ours_lines = {name: answer.lines for name, answer in answers.items()}
    return {
        "ratio": round(statistics.median(ratios), 2),
        "ratio_onnxruntime": round(statistics.median(ratios_onnxruntime), 2),
        **_errors(found, ours_lines, base_lines),
    }


def _errors(
    found: list[BenchImage], ours: Mapping[str, list[Line]], base: Mapping[str, list[Line]]
) -> dict[str, object]:
    """Character error rates, overall and by class, of both sides."""
    wrong: Counter[tuple[str, str]] = Counter()
    length: Counter[str] = Counter()
    for image in found:
        for side, lines in (("ours", ours), ("base", base)):
            errors, characters = character_errors(image.runs, lines[image.name], image.page_angle)
            wrong[side, image.kind] += errors
        length[image.kind] += characters
    print(f"{'class':<12}{'characters':>11}{'errors':>8}{'baseline':>10}")
    for kind, count in length.items():
        print(f"{kind:<12}{count:>11}{wrong['ours', kind]:>8}{wrong['base', kind]:>10}")

    def rate(side: str, kinds: Sequence[str]) -> float:
        errors = sum(wrong[side, kind] for kind in kinds)
        return round(errors / max(1, sum(length[kind] for kind in kinds)), 5)

    return {
        "cer": rate("ours", list(length)),
        "cer_baseline": rate("base", list(length)),
        "cer_by_class": {kind: [rate("ours", [kind]), rate("base", [kind])] for kind in length},
    }


async def _memory(product: Product, images: dict[str, bytes], count: int) -> dict[str, object]:
    """Resident memory after a third of ``count`` images of 40 sizes, and after all of them."""
    sized = _of_many_sizes(list(images.values()))
    marks = []
    for third in range(3):
        start = third * (count // 3)
        batch = {str(i): sized[i % len(sized)] for i in range(start, start + count // 3)}
        await read_all(product.gateway, batch, CONCURRENCY)
        marks.append(round(product.resident_mb))
    print(f"resident MB after {count // 3}, {count // 3 * 2}, {count} images: {marks}", flush=True)
    return {"rss_mb_200": marks[0], "rss_mb_600": marks[2]}


def _of_many_sizes(images: list[bytes]) -> list[bytes]:
    """Forty images of forty different sizes."""
    sized = []
    for index in range(MEMORY_SIZES):
        picture = Image.open(io.BytesIO(images[index % len(images)]))
        width = 1440 - 16 * index
        sized.append(encode(picture.resize((width, round(width * (0.6 + index / 50))))))
    return sized


async def _latency(product: Product, images: dict[str, bytes]) -> dict[str, object]:
    """``/ping`` while eight requests run, and what the gateway adds to the engine's own time."""
    pings: list[float] = []
    for start in range(0, 24, 8):
        pings += await ping_while_busy(product.gateway, list(images.values())[start : start + 8])
    seconds, answers = await read_all(product.gateway, images, 1)
    added = statistics.median(one.total_ms - one.engine_ms for one in answers.values())
    p99 = statistics.quantiles(pings, n=100)[98]
    print(f"/ping under eight requests, p99: {p99:.1f} ms ({len(pings)} pings)")
    print(
        f"one request at a time: {len(images) / seconds:.2f} images/s, "
        f"added to the engine's own time, median: {added:.1f} ms"
    )
    return {"ping_p99_ms": round(p99, 1), "added_ms": round(added, 2)}

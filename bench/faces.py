"""Faces: the product over HTTP in Immich's protocol against insightface on ONNX Runtime.

    ./aio bench faces [--rounds N] [--json]

The networks have all layers of SCRFD-10G and ArcFace R50 and random weights, and are the same on
both sides; every image has four drawn faces, which both sides find. The sides take turns, round by
round; the ratio is the median of the rounds' ratios. Both get four images at a time: ours as
requests over HTTP, insightface as calls from four threads, which pay for no protocol.
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
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.baseline import baseline_process
from bench.face_networks import write_pack
from bench.face_samples import DrawnFace, picture, picture_file
from bench.faces_client import Found, find_faces
from bench.product import Product, running
from immich_aio.engines.cores import cpu_name, usable_cores
from immich_aio.engines.faces.choice import faces_choice

FILES = 48
SIZE = (1440, 1080)
CONCURRENCY = 4
IDLE_SECONDS = 3
FACTOR = 2.25
"""From the detector's pixels to the images'."""

FACES = (
    DrawnFace(207.5, 207.5, 80, red=250, identity=1),
    DrawnFace(423.5, 199.5, 60, turn=25, red=250, identity=2),
    DrawnFace(299.5, 403.5, 30, red=250, identity=3),
    DrawnFace(503.5, 391.5, 50, turn=-30, red=250, identity=4),
)


class Baseline:
    """insightface in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._answer()

    def ask(self, **asked: object) -> float:
        """Seconds that something took."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return float(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the baseline ended; its own message stands above")
        value: str = json.loads(answer)
        return value


@contextlib.contextmanager
def baseline(pack: Path, folder: Path) -> Iterator[Baseline]:
    """Start the baseline and wait until it is ready."""
    # ONNX Runtime warns of every batch's size.
    with baseline_process("faces", pack, folder, quiet=True) as process:
        yield Baseline(process)


def main(arguments: Sequence[str]) -> None:
    """Measure and print; with ``--json`` the last line is one JSON object."""
    parser = argparse.ArgumentParser(prog="bench faces", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each side")
    parser.add_argument("--json", action="store_true", help="end in one line of JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(_measure(Path(folder), options.rounds))
    if options.json:
        print(json.dumps(figures))


async def _measure(folder: Path, rounds: int) -> dict[str, object]:
    choice = faces_choice("auto", "auto", "auto", usable_cores())
    print(
        f"{cpu_name()}, {usable_cores()} cores; SCRFD-10G and ArcFace R50, {choice.description}",
        flush=True,
    )
    pack, images = folder / "models" / "buffalo_l", folder / "images"
    write_pack(pack, large=True)
    images.mkdir()
    files = [picture_of_faces(number) for number in range(FILES)]
    for number, file in enumerate(files):
        (images / f"{number:03}.jpg").write_bytes(file)
    settings = {
        "FACES_FROM": "here",
        "FACES_DOWNLOAD_ROOT": str(pack.parent),
        "ACCEPT_FACES_LICENSE": "on",
        "MODEL_DOWNLOAD": "off",
        "MODEL_PRELOAD": "none",
    }
    with (
        baseline(pack, images) as theirs,
        running({**settings, "MODEL_TTL": "0"}) as ours,
        running({**settings, "MODEL_TTL": "0", "FACES_PRECISION": "f32"}) as exact,
    ):
        figures = await _speed(theirs, ours, exact, files, rounds)
        figures |= await _differences(theirs, ours, exact, files, folder / "theirs.npz")
    with running({**settings, "MODEL_TTL": str(IDLE_SECONDS)}) as product:
        figures |= await _memory(product, files)
    return figures


def picture_of_faces(number: int) -> bytes:
    """A preview with four faces, as Immich sends it."""
    faces = [
        DrawnFace(f.x * FACTOR, f.y * FACTOR, f.reach * FACTOR, f.turn, f.red, f.identity + number)
        for f in FACES
    ]
    return picture_file(picture(*SIZE, faces, background=number), "JPEG", quality=85)


async def _speed(
    theirs: Baseline, ours: Product, exact: Product, files: Sequence[bytes], rounds: int
) -> dict[str, object]:
    ratios, exact_ratios, alone = [], [], []
    for product in (ours, exact):
        await find_faces(product.gateway, files[: FILES // 4], CONCURRENCY)
    for number in range(rounds):
        base = theirs.ask(do="files", at_once=CONCURRENCY)
        mine, _ = await find_faces(ours.gateway, files, CONCURRENCY)
        in_f32, _ = await find_faces(exact.gateway, files, CONCURRENCY)
        ratios.append(base / mine)
        exact_ratios.append(base / in_f32)
        one_by_one = theirs.ask(do="files", at_once=1)
        mine_alone, _ = await find_faces(ours.gateway, files[: FILES // 2], 1)
        alone.append(one_by_one / mine_alone / 2)
        rates = [FILES / seconds for seconds in (base, mine, in_f32, one_by_one)]
        print(
            f"round {number + 1}: images/s, {CONCURRENCY} at a time: insightface {rates[0]:.2f}, "
            f"ours {rates[1]:.2f} (×{ratios[-1]:.2f}), in f32 {rates[2]:.2f} "
            f"(×{exact_ratios[-1]:.2f}); one at a time: {rates[3]:.2f}, "
            f"{FILES / 2 / mine_alone:.2f} (×{alone[-1]:.2f})",
            flush=True,
        )
    return {
        "ratio": round(statistics.median(ratios), 2),
        "ratio_f32": round(statistics.median(exact_ratios), 2),
        "ratio_one_at_a_time": round(statistics.median(alone), 2),
    }


async def _differences(
    theirs: Baseline, ours: Product, exact: Product, files: Sequence[bytes], path: Path
) -> dict[str, object]:
    """How far boxes and vectors are from insightface's, which are in float32."""
    theirs.ask(do="faces", path=str(path))
    with np.load(path) as stored:
        boxes, vectors = stored["boxes"], stored["vectors"]
    figures: dict[str, object] = {}
    for name, product, how in (("", ours, "as served"), ("_f32", exact, "in f32")):
        _, found = await find_faces(product.gateway, files, CONCURRENCY)
        pixels, cosine = _furthest(found, boxes, vectors)
        print(f"furthest from insightface {how}: box {pixels:.2f} px, cosine {cosine:.6f}")
        figures |= {f"max_box_px{name}": round(pixels, 2), f"min_cosine{name}": round(cosine, 6)}
    return figures


def _furthest(
    found: Sequence[Found], boxes: NDArray[np.float32], vectors: NDArray[np.float32]
) -> tuple[float, float]:
    """The largest difference of a box, in pixels (ours are rounded), and the least cosine."""
    pixels, cosines = [], []
    for mine, their_boxes, their_vectors in zip(found, boxes, vectors, strict=True):
        for box, vector in zip(their_boxes, their_vectors, strict=True):
            distances = np.abs(mine.boxes - box).max(axis=1)
            pixels.append(float(distances.min()))
            cosines.append(float(mine.vectors[distances.argmin()] @ vector))
    return max(pixels), min(cosines)


async def _memory(product: Product, files: Sequence[bytes]) -> dict[str, object]:
    """Resident memory in use, after as much again, and when the models have been idle."""
    before = product.resident_mb
    marks = []
    for _ in range(2):
        await find_faces(product.gateway, files, CONCURRENCY)
        marks.append(product.resident_mb)
    await asyncio.sleep(IDLE_SECONDS * 2)
    idle = product.resident_mb
    print(
        f"resident MB: {before:.0f} at the start, {marks[0]:.0f} in use, {marks[1]:.0f} after as "
        f"much again, {idle:.0f} when idle"
    )
    return {"rss_mb": round(marks[1]), "rss_mb_idle": round(idle)}


if __name__ == "__main__":
    main(sys.argv[1:])

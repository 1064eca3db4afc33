"""An NVIDIA GPU: the product on it against the product on this machine's CPU, side by side.

    AIO_EXTRAS=cuda ./aio bench gpu [--rounds N] [--json]

Both run the same models over HTTP in Immich's protocol; the CPU computes in float32 on ONNX
Runtime, so what comes out tells how exact the GPU is. CLIP's and the faces' networks have the
layers of ViT-B-16 and buffalo_l, and random weights. A ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.character_error import character_errors
from bench.checkpoints import write_random_checkpoint
from bench.clip_client import encode_images, encode_texts
from bench.clip_samples import QUERIES, picture_file
from bench.face_networks import write_pack
from bench.faces import picture_of_faces
from bench.faces_client import Found, find_faces
from bench.ocr_client import Line, read_all
from bench.ocr_images import BenchImage, draw_bench_set, encode
from bench.product import Product, running
from immich_aio.engines.clip.architecture import OFFICIAL
from immich_aio.engines.cores import cpu_name, usable_cores
from immich_aio.engines.cuda import cuda_fault

MODEL = "ViT-B-16"
FILES = 48
CONCURRENCY = 16
CPU = {
    "DEVICE": "cpu",
    "OCR_RUNTIME": "onnxruntime",
    "CLIP_RUNTIME": "onnxruntime",
    "CLIP_PRECISION": "f32",
    "FACES_RUNTIME": "onnxruntime",
}

Timed = Callable[[Product], Awaitable[float]]
Figures = dict[str, object]


def main(arguments: Sequence[str]) -> None:
    """Measure and print; with ``--json`` the last line is one JSON object."""
    parser = argparse.ArgumentParser(prog="bench gpu", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="rounds of each side")
    parser.add_argument("--json", action="store_true", help="end in one line of JSON")
    options = parser.parse_args(arguments)
    fault = cuda_fault()
    if fault is not None:
        parser.error(f"the GPU cannot be used: {fault}; it is run by AIO_EXTRAS=cuda ./aio")
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(_measure(Path(folder), options.rounds))
    if options.json:
        print(json.dumps(figures))


async def _measure(folder: Path, rounds: int) -> Figures:
    print(f"{_gpu('name')} against {cpu_name()}, {usable_cores()} cores", flush=True)
    write_random_checkpoint(folder / "clip_cn_vit-b-16.pt", OFFICIAL[MODEL])
    write_pack(folder / "buffalo_l", large=True)
    settings = {
        "CLIP_MODEL": MODEL,
        "CLIP_DOWNLOAD_ROOT": str(folder),
        "FACES_FROM": "here",
        "FACES_DOWNLOAD_ROOT": str(folder),
        "ACCEPT_FACES_LICENSE": "on",
        "MODEL_DOWNLOAD": "off",
        "MODEL_TTL": "0",
        "TEXT_CACHE": "0",
    }
    before = int(_gpu("memory.used"))
    with running({**settings, **CPU}) as cpu, running({**settings, "DEVICE": "cuda"}) as gpu:
        figures = await _ocr(gpu, cpu, rounds)
        figures |= await _clip(gpu, cpu, rounds)
        figures |= await _faces(gpu, cpu, rounds)
        used, resident = int(_gpu("memory.used")) - before, round(gpu.resident_mb)
    print(f"memory: {used} MiB of the GPU, {resident} MB of the machine")
    return {**figures, "gpu_mib": used, "rss_mb": resident}


async def _ocr(gpu: Product, cpu: Product, rounds: int) -> Figures:
    drawn = draw_bench_set()
    images = {image.name: encode(image.image) for image in drawn}
    lines: dict[Product, Mapping[str, list[Line]]] = {}

    async def read(product: Product) -> float:
        seconds, answers = await read_all(product.gateway, images, CONCURRENCY)
        lines[product] = {name: answer.lines for name, answer in answers.items()}
        return seconds

    ratio = await _ratio("OCR", len(images), read, gpu, cpu, rounds)
    same = sum(
        [text for text, _ in lines[gpu][name]] == [text for text, _ in lines[cpu][name]]
        for name in images
    )
    rates = [_error_rate(drawn, lines[product]) for product in (gpu, cpu)]
    print(f"OCR: character error rate {rates[0]}, on the CPU {rates[1]}; the same text in {same}")
    return {"ocr_ratio": ratio, "cer": rates[0], "cer_cpu": rates[1], "same_text": same}


def _error_rate(drawn: Sequence[BenchImage], lines: Mapping[str, list[Line]]) -> float:
    counts = [character_errors(one.runs, lines[one.name], one.page_angle) for one in drawn]
    return round(sum(wrong for wrong, _ in counts) / sum(length for _, length in counts), 5)


async def _clip(gpu: Product, cpu: Product, rounds: int) -> Figures:
    files = [picture_file(number, 1440, 1080, kind="JPEG") for number in range(FILES)]
    vectors = {}

    async def encode_all(product: Product) -> float:
        seconds, vectors[product] = await encode_images(product.gateway, files, CONCURRENCY)
        return seconds

    ratio = await _ratio("CLIP", FILES, encode_all, gpu, cpu, rounds)
    images = float((vectors[gpu] * vectors[cpu]).sum(axis=1).min())
    ours, exact = [await encode_texts(product.gateway, QUERIES) for product in (gpu, cpu)]
    texts = float((ours * exact).sum(axis=1).min())
    print(f"CLIP: least cosine to the CPU's: images {images:.6f}, texts {texts:.6f}")
    return {"clip_ratio": ratio, "clip_min_cosine": round(min(images, texts), 6)}


async def _faces(gpu: Product, cpu: Product, rounds: int) -> Figures:
    files = [picture_of_faces(number) for number in range(FILES)]
    found: dict[Product, list[Found]] = {}

    async def find(product: Product) -> float:
        seconds, found[product] = await find_faces(product.gateway, files, CONCURRENCY)
        return seconds

    ratio = await _ratio("faces", FILES, find, gpu, cpu, rounds)
    pairs = list(zip(found[gpu], found[cpu], strict=True))
    pixels = max(float(np.abs(ours.boxes - exact.boxes).max()) for ours, exact in pairs)
    cosine = min(float((ours.vectors * exact.vectors).sum(axis=1).min()) for ours, exact in pairs)
    print(f"faces: furthest from the CPU's: box {pixels:.2f} px, cosine {cosine:.6f}")
    return {"faces_ratio": ratio, "max_box_px": round(pixels, 2), "min_cosine": round(cosine, 6)}


async def _ratio(
    what: str, count: int, timed: Timed, gpu: Product, cpu: Product, rounds: int
) -> float:
    """How many times as fast as the CPU; each side first does all of it once, unmeasured."""
    for product in (gpu, cpu):
        await timed(product)
    ratios = []
    for number in range(rounds):
        base, mine = await timed(cpu), await timed(gpu)
        ratios.append(base / mine)
        rates = f"CPU {count / base:.2f}, GPU {count / mine:.2f} (×{ratios[-1]:.2f})"
        print(f"round {number + 1}: {what}, images/s: {rates}", flush=True)
    return round(statistics.median(ratios), 2)


def _gpu(what: str) -> str:
    """What the driver tells of the first GPU, in MiB where it is memory."""
    tool = shutil.which("nvidia-smi")
    assert tool is not None, "nvidia-smi comes with the driver"
    command = [tool, "--query-gpu=" + what, "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  # the driver's own
    return done.stdout.splitlines()[0]


if __name__ == "__main__":
    main(sys.argv[1:])

"""The OCR benchmark set: images with known text, the same ones on every machine.

`python -m bench.ocr_images DIR` writes them to DIR, with what stands in them in truth.json.
"""

import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from bench import ocr_scenes as scenes
from bench import ocr_text as text
from bench.ocr_canvas import (
    Page,
    Size,
    TextRun,
    desk,
    encode,
    laid_on,
    photographed,
    scenery,
    turned,
)

__all__ = ["BenchImage", "TextRun", "draw_bench_set", "encode", "main"]

SEED = 20250117


@dataclass(frozen=True)
class BenchImage:
    """An image and its text; `page_angle`: clockwise degrees its upright page was turned by."""

    name: str
    kind: str
    image: Image.Image
    runs: tuple[TextRun, ...]
    page_angle: int


def receipt_on_desk(rng: random.Random, paper: Size, size: Size, degrees: float = 0.0) -> Page:
    """Draw a receipt that lies on a desk."""
    return laid_on(desk(rng, size), scenes.receipt(rng, paper), degrees)


def _receipts(rng: random.Random) -> Iterator[Page]:
    sizes = ((960, 1440), (1080, 1440), (810, 1440), (1024, 1365), (1080, 1920))
    for width, height in sizes:
        yield receipt_on_desk(rng, (int(width * 0.72), int(height * 0.94)), (width, height))


def _screens(rng: random.Random) -> Iterator[Page]:
    yield scenes.chat(rng, (1080, 1920))
    yield scenes.settings(rng, (1080, 2000))
    yield scenes.web(rng, (1440, 900))
    yield scenes.chat(rng, (1080, 2100))
    yield scenes.web(rng, (1920, 1080))


def _signs(rng: random.Random) -> Iterator[Page]:
    simplified = rng.sample(text.SIGNS, 5)
    yield scenes.sign(rng, (1440, 1080), tuple(simplified[:2]))
    yield scenes.sign(rng, (1440, 960), (simplified[2], rng.choice(text.SIGNS_LATIN)))
    yield scenes.sign(rng, (1920, 1440), (text.plate(rng), simplified[3], text.plate(rng)))
    yield scenes.sign(rng, (1080, 1440), tuple(rng.sample(text.SIGNS_TRADITIONAL, 3)), "TC")
    yield scenes.sign(rng, (1440, 810), (rng.choice(text.SIGNS_JAPANESE),), "JP")
    yield scenes.sign(rng, (1280, 960), (*rng.sample(text.SIGNS_LATIN, 2), simplified[4]))


def _tables(rng: random.Random) -> Iterator[Page]:
    sizes = ((1440, 1018), (1440, 1080), (1018, 1440), (1440, 900), (1280, 1440))
    for layout, (size, rows) in enumerate(zip(sizes, (12, 10, 15, 8, 13), strict=True)):
        yield scenes.table(rng, size, layout, rows)


def _small(rng: random.Random) -> Iterator[Page]:
    yield scenes.document(rng, (720, 1018), "SC", 13)
    yield scenes.document(rng, (800, 1000), "EN", 14)
    yield scenes.document(rng, (760, 900), "TC", 16)
    yield scenes.document(rng, (900, 720), "JP", 15)
    yield scenes.document(rng, (1018, 1440), "mixed", 16)


def _dark(rng: random.Random) -> Iterator[Page]:
    yield scenes.code(rng, (1440, 932), 26)
    yield scenes.chat(rng, (1080, 1980), scenes.DARK)
    yield scenes.settings(rng, (1080, 1860), scenes.DARK)
    yield scenes.code(rng, (1080, 1440), 32)
    yield scenes.web(rng, (1600, 1000), scenes.DARK)


def _rotated90(rng: random.Random) -> Iterator[Page]:
    yield turned(scenes.document(rng, (1080, 1440), "SC", 24), 90)
    yield turned(receipt_on_desk(rng, (700, 1330), (1000, 1440)), 270)
    yield turned(scenes.document(rng, (1200, 900), "EN", 22), 270)
    yield turned(scenes.table(rng, (1400, 1050), 2, 11), 90)
    yield turned(scenes.document(rng, (1018, 1440), "mixed", 20), 90)


def _rotated180(rng: random.Random) -> Iterator[Page]:
    yield turned(scenes.document(rng, (1080, 1520), "SC", 26), 180)
    yield turned(receipt_on_desk(rng, (740, 1340), (1100, 1440)), 180)
    yield turned(scenes.document(rng, (1440, 1100), "TC", 28), 180)
    yield turned(scenes.table(rng, (1440, 1000), 0, 9), 180)


def _tilt(rng: random.Random) -> Iterator[Page]:
    yield laid_on(desk(rng, (1080, 1440)), scenes.document(rng, (960, 1300), "SC", 26), 3.5)
    yield laid_on(desk(rng, (1440, 1080)), scenes.document(rng, (1300, 950), "EN", 26), -4.5)
    yield receipt_on_desk(rng, (680, 1340), (1050, 1440), 6.0)
    yield laid_on(desk(rng, (1440, 1152)), scenes.table(rng, (1320, 980), 1, 9), -2.4)
    yield laid_on(desk(rng, (1152, 1440)), scenes.document(rng, (1000, 1280), "TC", 28), -5.6)


def _blank(rng: random.Random) -> Iterator[Page]:
    subjects = ("sky", "foliage", "sand", "stripes", "lights")
    sizes = ((1440, 1080), (1080, 1440), (1440, 960), (1440, 1440), (1920, 1440))
    for subject, size in zip(subjects, sizes, strict=True):
        yield Page(scenery(rng, size, subject))


_KINDS = {
    "receipt": _receipts,
    "screen": _screens,
    "sign": _signs,
    "table": _tables,
    "small": _small,
    "dark": _dark,
    "rotated90": _rotated90,
    "rotated180": _rotated180,
    "tilt": _tilt,
    "blank": _blank,
}
_TURNS = {"rotated90": (90, 270, 270, 90, 90), "rotated180": (180,) * 4}
# A screenshot has no grain and no blur; small letters would be lost to more than a trace of them.
_FAULTS = {"screen": (0.0, 0.0), "dark": (0.0, 0.0), "small": (1.5, 0.3), "blank": (4.0, 0.6)}


def draw_bench_set() -> list[BenchImage]:
    """Draw every image of the benchmark, the same ones each time."""
    images = []
    for kind, draw in _KINDS.items():
        # A generator per kind: a change to one kind leaves the images of the others as they were.
        rng = random.Random(f"{SEED} {kind}")
        turns = _TURNS.get(kind)
        for number, page in enumerate(draw(rng)):
            noise, blur = _FAULTS.get(kind, (rng.uniform(1, 4), rng.uniform(0, 0.7)))
            image = photographed(rng, page.image, noise, blur)
            angle = turns[number] if turns else 0
            name = f"{kind}-{number + 1}"
            images.append(BenchImage(name, kind, image, tuple(page.runs), angle))
    return images


def main(folder: Path) -> None:
    """Write the benchmark's images and their truth to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = []
    for drawn in draw_bench_set():
        (folder / f"{drawn.name}.jpg").write_bytes(encode(drawn.image))
        truth.append(
            {
                "name": drawn.name,
                "kind": drawn.kind,
                "size": drawn.image.size,
                "page_angle": drawn.page_angle,
                "runs": [{"text": run.text, "quad": run.quad} for run in drawn.runs],
            }
        )
    lines = json.dumps(truth, ensure_ascii=False, indent=1)
    (folder / "truth.json").write_text(lines, encoding="utf-8")
    print(f"{len(truth)} images in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

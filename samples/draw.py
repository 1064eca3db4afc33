"""Draws the sample images of the README: `python -m samples.draw`, from the repository root.

Drawn like the images of the benchmark, but with a seed of their own: none of them is in it.
"""

import random
from pathlib import Path

from bench import ocr_scenes as scenes
from bench.ocr_canvas import Page, encode, photographed, turned
from bench.ocr_images import receipt_on_desk

SEED = 88
FOLDER = Path(__file__).parent


def draw_samples() -> dict[str, Page]:
    """Draw every sample, by name, with the text that stands in it."""
    rng = random.Random(SEED)
    return {
        "receipt": receipt_on_desk(rng, (680, 1180), (864, 1280)),
        "screen": scenes.chat(rng, (1080, 1600)),
        "sign": scenes.sign(rng, (1200, 800), ("欢迎光临", "24 HOURS")),
        "table": scenes.table(rng, (1280, 860), 1, 9),
        "rotated": turned(scenes.document(rng, (900, 1200), "mixed", 22), 90),
    }


def main() -> None:
    """Write the samples next to this file."""
    rng = random.Random(SEED)
    for name, page in draw_samples().items():
        noise = 0.0 if name == "screen" else 1.2
        image = photographed(rng, page.image, noise, blur=0.0)
        path = FOLDER / f"{name}.jpg"
        path.write_bytes(encode(image, quality=85))
        print(f"{path.name}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()

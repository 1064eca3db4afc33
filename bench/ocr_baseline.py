"""The baseline in a process of its own: plain ``RapidOCR()``, one image after another.

Reads a folder from the command line, then, for every line on standard input, reads all its images
once and answers with one line of JSON: the seconds taken, and by name the lines found.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from rapidocr import RapidOCR


def main() -> None:
    """Serve rounds until standard input closes."""
    images = {path.stem: path.read_bytes() for path in sorted(Path(sys.argv[1]).glob("*.jpg"))}
    reader = RapidOCR(params={"Global.log_level": "error"})
    for image in list(images.values())[:3]:
        reader(image)
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        found = {name: reader(image) for name, image in images.items()}
        seconds = time.perf_counter() - started
        lines = {name: _lines(result) for name, result in found.items()}
        print(json.dumps({"seconds": seconds, "lines": lines}), flush=True)


def _lines(result: object) -> list[tuple[str, list[list[float]]]]:
    boxes, texts = getattr(result, "boxes", None), getattr(result, "txts", None)
    if boxes is None or texts is None:  # what RapidOCR answers when there is no text
        return []
    return [(text, box.tolist()) for text, box in zip(texts, boxes, strict=True)]


if __name__ == "__main__":
    main()

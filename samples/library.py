"""Draws the sandbox's sample library: `python -m samples.library`, from the repository root.

What is drawn, and what is told of each photo, stands in library.json beside the photos, which the
sandbox reads too. Drawing needs the `dev` extra, which brings a font; using the photos does not.
"""

import io
import json
import random
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from bench import ocr_scenes as scenes
from bench.ocr_canvas import (
    Colour,
    Page,
    Style,
    desk,
    laid_on,
    photographed,
    scenery,
)

FOLDER = Path(__file__).parents[1] / "src/immich_aio/services/sandbox/samples"
SEED = 4021
QUALITY = 50
SIZE = (1120, 840)
FRAMES = 8
FRAME_SECONDS = 0.2

Photo = dict[str, Any]


def draw(photo: Photo) -> Image.Image:
    """Draw one photo of the library."""
    rng = random.Random(f"{SEED} {photo['file']} {photo.get('seed', 0)}")
    if photo["scene"] == "scenery":
        return photographed(rng, scenery(rng, SIZE, photo["subject"]), 0.0, blur=1.0)
    page = _SCENES[photo["scene"]](rng, tuple(photo.get("lines", ())), photo.get("face", "SC"))
    return photographed(rng, page.image, 0.0, blur=0.0)


def _on_desk(rng: random.Random, lines: tuple[str, ...], face: str) -> Page:
    return laid_on(desk(rng, SIZE), _paper(rng, lines, face), rng.uniform(-3, 3), 0.9)


def _paper(rng: random.Random, lines: tuple[str, ...], face: str) -> Page:
    """Draw a sheet with a title and lines below it."""
    page = Page.blank((1000, 260 + 92 * len(lines)), rng.choice(((252, 251, 247), (244, 248, 252))))
    page.draw.rectangle((30, 30, 970, page.image.height - 30), outline=(180, 70, 60), width=3)
    title = Style(_fitting(lines[0], 62, 820, face), (150, 30, 36), 700, face)
    page.write((500, 80), lines[0], title, "ma")
    for number, line in enumerate(lines[1:]):
        size = _fitting(line, 40, 820, face)
        page.write((90, 220 + 92 * number), line, Style(size, face=face))
    return page


def _board(rng: random.Random, lines: tuple[str, ...], face: str) -> Page:
    """Draw a board with a heading and lines in chalk."""
    ground: Colour = rng.choice(((34, 58, 46), (42, 44, 52), (58, 36, 30)))
    page = Page.blank(SIZE, ground)
    page.draw.rectangle((16, 16, SIZE[0] - 16, SIZE[1] - 16), outline=(150, 120, 80), width=12)
    style = Style(64, (244, 242, 232), 500, face)
    step = (SIZE[1] - 260) / max(1, len(lines) - 1)
    page.write((SIZE[0] / 2, 70), lines[0], replace(style, size=84, weight=700), "ma")
    for number, line in enumerate(lines[1:]):
        size = min(_fitting(line, 64, SIZE[0] - 240, face), int(step * 0.6))
        page.write((120, 230 + step * number), line, replace(style, size=size))
    return page


def _plate(_rng: random.Random, lines: tuple[str, ...], _face: str) -> Page:
    """Draw a number plate."""
    page = Page.blank((1100, 700), (70, 74, 80))
    page.draw.rounded_rectangle((110, 210, 990, 490), 26, (22, 66, 160), (235, 238, 245), 8)
    page.write((550, 350), lines[0], Style(128, (245, 247, 252), 700), "mm")
    return page


def _fitting(text: str, size: int, width: float, face: str) -> int:
    return min(size, int(size * width / Style(size, face=face).width(text)))


_SCENES: dict[str, Callable[[random.Random, tuple[str, ...], str], Page]] = {
    "paper": _on_desk,
    "board": _board,
    "plate": _plate,
    "sign": lambda rng, lines, face: scenes.sign(rng, SIZE, lines, face),
    "receipt": lambda rng, *_: laid_on(desk(rng, (820, 1200)), scenes.receipt(rng, (680, 1150))),
    "chat": lambda rng, *_: scenes.chat(rng, (900, 1600)),
    "settings": lambda rng, *_: scenes.settings(rng, (900, 1600), scenes.DARK),
    "table": lambda rng, *_: scenes.table(rng, (1280, 900), 1, 8),
    "document": lambda rng, _, face: scenes.document(rng, (900, 1200), face, 22),
    "code": lambda rng, *_: scenes.code(rng, (1280, 800), 26),
}


def encoded(photo: Photo, image: Image.Image) -> bytes:
    """Encode a photo with what its camera would have noted."""
    exif = Image.Exif()
    taken = photo["taken"].replace("-", ":")
    exif[ExifTags.Base.Make] = photo["make"]
    exif[ExifTags.Base.Model] = photo["model"]
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = taken
    details[ExifTags.Base.LensModel] = photo["lens"]
    details[ExifTags.Base.ISOSpeedRatings] = 200
    details[ExifTags.Base.FNumber] = 2.8
    details[ExifTags.Base.ExposureTime] = 1 / 125
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True, exif=exif)
    return buffer.getvalue()


def video(name: str) -> bytes:
    """Make a video in Motion JPEG: an AVI of a few frames, without an encoder."""
    rng = random.Random(f"{SEED} {name}")
    size = (320, 240)
    frames = []
    for number in range(FRAMES):
        picture = scenery(random.Random(SEED), (480, 240), "foliage" if "f" in name else "lights")
        frame = picture.crop((number * 20, 0, number * 20 + size[0], size[1]))
        buffer = io.BytesIO()
        photographed(rng, frame, 0.0, 0.5).save(buffer, "JPEG", quality=50)
        frames.append(buffer.getvalue())
    return _avi(frames, size)


def _avi(frames: list[bytes], size: tuple[int, int]) -> bytes:
    rate, largest, area = int(1 / FRAME_SECONDS), max(map(len, frames)), size[0] * size[1]
    times = (10**6 // rate, largest * rate, 0, 0x10, len(frames), 0, 1, largest)
    main = struct.pack("<14I", *times, *size, 0, 0, 0, 0)
    timing = (0, 0, 0, 1, rate, 0, len(frames), largest, 0xFFFFFFFF, 0)
    stream = b"vidsMJPG" + struct.pack("<10I4H", *timing, 0, 0, *size)
    form = struct.pack("<IiiHH4sIiiII", 40, *size, 1, 24, b"MJPG", area * 3, 0, 0, 0, 0)
    streams = b"strl" + _chunk(b"strh", stream) + _chunk(b"strf", form)
    header = b"hdrl" + _chunk(b"avih", main) + _chunk(b"LIST", streams)
    movie, index = b"movi", b""
    for frame in frames:
        index += b"00dc" + struct.pack("<3I", 0x10, len(movie), len(frame))
        movie += _chunk(b"00dc", frame)
    body = b"AVI " + _chunk(b"LIST", header) + _chunk(b"LIST", movie) + _chunk(b"idx1", index)
    return _chunk(b"RIFF", body)


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def main() -> None:
    """Draw the whole library into its folder."""
    plan = json.loads((FOLDER / "library.json").read_text("utf-8"))
    for photo in plan["photos"]:
        (FOLDER / photo["file"]).write_bytes(encoded(photo, draw(photo)))
    for clip in plan["videos"]:
        (FOLDER / clip["file"]).write_bytes(video(clip["file"]))
    files = [path for path in FOLDER.iterdir() if path.suffix != ".json"]
    total = sum(path.stat().st_size for path in files)
    print(f"{len(files)} files, {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()

"""Paper to write on: text whose place is known, textures, and the turns a photograph takes.

`Page.write` refuses text that leaves the page or covers other text, so an image that was drawn
without an error has a truth that can be read off it.
"""

import io
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import manimgx_fonts_cjk
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Point = tuple[float, float]
Quad = tuple[Point, ...]
Colour = tuple[int, int, int]
Size = tuple[int, int]

INK: Colour = (28, 28, 30)
_FACES = {"JP": 0, "KR": 1, "SC": 2, "EN": 2, "TC": 3}


@dataclass(frozen=True)
class TextRun:
    """One run of text (a line or a table cell); `quad` is clockwise from the text's top left."""

    text: str
    quad: Quad


@dataclass(frozen=True)
class Style:
    """How text looks: size in pixels, colour, weight 100-900 and face (SC, TC, JP, KR, EN)."""

    size: int
    fill: Colour = INK
    weight: int = 400
    face: str = "SC"

    @property
    def font(self) -> ImageFont.FreeTypeFont:
        """The font for this style."""
        return _font(self.face, self.size, self.weight)

    def width(self, text: str) -> float:
        """How far `text` reaches."""
        return self.font.getlength(text)

    def shortened(self, text: str, width: float) -> str:
        """As much of the beginning of `text` as fits into `width`."""
        while text and self.width(text) > width:
            text = text[:-1]
        return text.rstrip()


@cache
def _font(face: str, size: int, weight: int) -> ImageFont.FreeTypeFont:
    path = Path(str(manimgx_fonts_cjk.__file__)).with_name("NotoSansCJK-VF.otf.ttc")
    # Basic layout: the same glyph places whether or not this Pillow was built with raqm.
    font = ImageFont.truetype(path, size, index=_FACES[face], layout_engine=ImageFont.Layout.BASIC)
    font.set_variation_by_axes([weight])
    return font


@dataclass
class Page:
    """An image and the text that was written on it so far."""

    image: Image.Image
    runs: list[TextRun] = field(default_factory=list)

    @classmethod
    def blank(cls, size: Size, colour: Colour = (255, 255, 255)) -> "Page":
        """Make a page of one colour."""
        return cls(Image.new("RGB", size, colour))

    @property
    def draw(self) -> ImageDraw.ImageDraw:
        """What draws on the page."""
        return ImageDraw.Draw(self.image)

    def write(self, at: Point, text: str, style: Style, anchor: str = "la") -> float:
        """Write `text`, its anchor at `at`; answers the right end of its ink.

        Raises ValueError if the text leaves the page or covers text that is there already.
        """
        # Leading blanks shift the ink but are no text: an indent belongs to no quad.
        indent = style.width(text[: len(text) - len(text.lstrip())])
        at, text = (at[0] + indent, at[1]), text.strip()
        left, top, right, bottom = self.draw.textbbox(at, text, font=style.font, anchor=anchor)
        if left < 2 or top < 2 or right > self.image.width - 2 or bottom > self.image.height - 2:
            raise ValueError(f"{text!r} leaves the page of {self.image.size} at {at}")
        for run in self.runs:
            (x0, y0), _, (x1, y1), _ = run.quad
            if left < x1 and x0 < right and top < y1 and y0 < bottom:
                raise ValueError(f"{text!r} covers {run.text!r}")
        self.draw.text(at, text, fill=style.fill, font=style.font, anchor=anchor)
        self.runs.append(
            TextRun(text, ((left, top), (right, top), (right, bottom), (left, bottom)))
        )
        return right


def wrapped(text: str, style: Style, width: float) -> list[str]:
    """`text` in lines of at most `width`: between words in English, between characters else."""
    units = [f"{word} " for word in text.split()] if style.face == "EN" else list(text)
    lines: list[str] = []
    line = ""
    for unit in units:
        # A mark that must not begin a line hangs over the edge, as typesetters let it.
        if line and style.width((line + unit).rstrip()) > width and unit not in "，。、！？：":
            lines.append(line.rstrip())
            line = ""
        line += unit
    return [*lines, line.rstrip()] if line.strip() else lines


def _moved(runs: list[TextRun], move: Callable[[Point], Point]) -> list[TextRun]:
    return [TextRun(run.text, tuple(move(point) for point in run.quad)) for run in runs]


def turned(page: Page, angle: int) -> Page:
    """Turn the page clockwise by 0, 90, 180 or 270 degrees, its text with it."""
    width, height = page.image.size
    turns: dict[int, tuple[Image.Transpose, Callable[[Point], Point]]] = {
        # Pillow counts its turns the other way round.
        90: (Image.Transpose.ROTATE_270, lambda p: (height - p[1], p[0])),
        180: (Image.Transpose.ROTATE_180, lambda p: (width - p[0], height - p[1])),
        270: (Image.Transpose.ROTATE_90, lambda p: (p[1], width - p[0])),
    }
    if angle == 0:
        return page
    transpose, move = turns[angle]
    return Page(page.image.transpose(transpose), _moved(page.runs, move))


def laid_on(background: Image.Image, page: Page, degrees: float = 0.0, cover: float = 0.94) -> Page:
    """Lay the page on a background, tilted clockwise, over `cover` of its extent."""
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    (width, height), (wide, high) = page.image.size, background.size
    extent = (width * abs(cos) + height * abs(sin), width * abs(sin) + height * abs(cos))
    scale = min(wide * cover / extent[0], high * cover / extent[1])

    def move(point: Point) -> Point:
        x, y = (point[0] - width / 2) * scale, (point[1] - height / 2) * scale
        return x * cos - y * sin + wide / 2, x * sin + y * cos + high / 2

    a, b = cos / scale, sin / scale
    # Pillow asks for the way back: from a pixel of the result to the page.
    shift = (width - a * wide - b * high) / 2, (height + b * wide - a * high) / 2
    back = (a, b, shift[0], -b, a, shift[1])
    method, bicubic = Image.Transform.AFFINE, Image.Resampling.BICUBIC
    sheet = page.image.transform(background.size, method, back, resample=bicubic)
    mask = Image.new("L", page.image.size, 255)
    mask = mask.transform(background.size, method, back, resample=Image.Resampling.BILINEAR)
    shadow = mask.filter(ImageFilter.GaussianBlur(9)).point([v * 2 // 5 for v in range(256)])
    result = Image.composite(Image.new("RGB", background.size, (20, 18, 16)), background, shadow)
    return Page(Image.composite(sheet, result, mask), _moved(page.runs, move))


def clouds(rng: random.Random, size: Size, low: Colour, high: Colour, grain: Size) -> Image.Image:
    """Draw a soft random texture between two colours; `grain` counts its blobs across and down."""
    source = np.random.RandomState(rng.randrange(2**32))
    weight = np.zeros((size[1], size[0]), dtype=np.float32)
    for octave in range(3):
        cells = (max(2, grain[0] << octave), max(2, grain[1] << octave))
        coarse = Image.fromarray(source.random_sample(cells[::-1]).astype(np.float32))
        weight += np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)) / 2**octave
    weight = np.clip((weight - weight.min()) / (weight.max() - weight.min()), 0, 1)[..., None]
    start, end = np.array(low, dtype=np.float32), np.array(high, dtype=np.float32)
    return Image.fromarray((start + (end - start) * weight).astype(np.uint8))


def gradient(size: Size, start: Colour, end: Colour, across: float = 0.5) -> Image.Image:
    """Draw a gradient from the top left; `across` is the share of it that runs to the right."""
    x = np.linspace(0, across, size[0], dtype=np.float32)[None, :, None]
    y = np.linspace(0, 1 - across, size[1], dtype=np.float32)[:, None, None]
    first, last = np.array(start, dtype=np.float32), np.array(end, dtype=np.float32)
    return Image.fromarray((first + (last - first) * (x + y)).astype(np.uint8))


def desk(rng: random.Random, size: Size) -> Image.Image:
    """Draw a table top: wood, stone or cloth."""
    low, high, grain = rng.choice(
        (
            ((92, 60, 38), (158, 112, 74), (3, 60)),
            ((96, 98, 104), (168, 168, 172), (14, 14)),
            ((38, 56, 70), (74, 98, 112), (40, 40)),
            ((52, 40, 34), (98, 78, 62), (4, 44)),
        )
    )
    return clouds(rng, size, low, high, grain)


def scenery(rng: random.Random, size: Size, subject: str) -> Image.Image:
    """Draw a photo-like image without any text."""
    match subject:
        case "sky":
            return gradient(size, (92, 150, 220), (250, 206, 170), 0.2)
        case "foliage":
            return clouds(rng, size, (14, 40, 12), (150, 190, 84), (60, 48))
        case "sand":
            return clouds(rng, size, (150, 120, 84), (226, 204, 164), (120, 160))
        case "stripes":
            image = gradient(size, (220, 214, 200), (160, 150, 150))
            pencil = ImageDraw.Draw(image)
            for x in range(0, size[0], 90):
                pencil.rectangle((x, 0, x + 40, size[1]), fill=(60 + x % 90, 74, 120))
            return image
        case _:
            image = clouds(rng, size, (30, 26, 40), (120, 100, 130), (4, 4))
            pencil = ImageDraw.Draw(image)
            for _ in range(40):
                x, y, r = rng.randrange(size[0]), rng.randrange(size[1]), rng.randint(10, 110)
                colour = (rng.randint(90, 250), rng.randint(80, 220), rng.randint(60, 200))
                pencil.ellipse((x - r, y - r, x + r, y + r), fill=colour)
            return image


def photographed(rng: random.Random, image: Image.Image, noise: float, blur: float) -> Image.Image:
    """Give the image a camera's faults: blur, noise, now and then a first lossy save."""
    if blur:
        image = image.filter(ImageFilter.GaussianBlur(blur))
    source = np.random.RandomState(rng.randrange(2**32))
    if noise:
        grain = source.normal(0, noise, (image.height, image.width, 1))
        image = Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))
    if rng.random() < 0.4:
        image = Image.open(io.BytesIO(encode(image, quality=rng.randint(68, 82)))).convert("RGB")
    return image


def encode(image: Image.Image, quality: int = 90) -> bytes:
    """Encode the image as the JPEG that Immich would send as a preview."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()

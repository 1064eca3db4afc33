"""Decoded pictures as red-green-blue bytes, whatever mode a file had."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags
from PIL import Image as Pillow
from PIL.TiffImagePlugin import TiffImageFile

_STRIP_ROWS = 128
_STRIPS_FROM = 16_000_000


def flattened(picture: Pillow.Image) -> Pillow.Image:
    """Make it mode RGB, transparency laid over white."""
    picture = eight_bit(picture)
    if picture.has_transparency_data:
        if picture.mode == "La":  # Pillow has no way from here to RGBA that keeps the alpha
            picture = picture.convert("LA")
        picture = picture.convert("RGBA")
        white = Pillow.new("RGB", picture.size, "white")
        white.paste(picture, (0, 0), picture)
        return white
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def eight_bit(picture: Pillow.Image) -> Pillow.Image:
    """Scale grey of more than eight bits; other pictures stay as they are."""
    if picture.mode[0] not in "IF":  # I, I;16, I;16B, F: Pillow would clip them at 255
        return picture
    values = np.asarray(picture)
    tags = picture.tag_v2 if isinstance(picture, TiffImageFile) else {}
    if picture.mode.startswith("I;16"):
        bits = 12 if tags.get(ExifTags.Base.BitsPerSample) == (12,) else 16
        grey = (values >> (bits - 8)).astype(np.uint8)
    else:
        grey = _scaled(values)
    if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:  # white is zero, which Pillow
        grey = 255 - grey  # heeds for eight bits only
    clear = picture.info.get("transparency")
    if isinstance(clear, int):
        grey[values == clear] = 255
    return Pillow.fromarray(grey)


def _scaled(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Map numbers of unknown range to 0…255: by the first usual range that holds them all."""
    values = values.astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    for top in (1.0, 255.0, 65535.0):
        if low >= 0 and high <= top:
            low, high = 0.0, top
            break
    values = np.nan_to_num(values, copy=False, nan=low, posinf=high, neginf=low)
    return ((values - low) * (255 / ((high - low) or 1.0)) + 0.5).astype(np.uint8)


def pixels_of(picture: Pillow.Image) -> NDArray[np.uint8]:
    """The read-only pixels (height, width, 3) of a picture in mode RGB."""
    width, height = picture.size
    if width * height < _STRIPS_FROM:
        return np.asarray(picture)
    # At once is faster, but holds every pixel three times for a moment.
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP_ROWS):
        bottom = min(top + _STRIP_ROWS, height)
        pixels[top:bottom] = np.asarray(picture.crop((0, top, width, bottom)))
    pixels.flags.writeable = False
    return pixels

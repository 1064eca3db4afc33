"""A decoded image, and what may be decoded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A picture as a person would see it: EXIF orientation applied, alpha laid over white.

    ``pixels`` has shape (height, width, 3), uint8, red-green-blue, C-contiguous. ``full_width`` and
    ``full_height`` are the size the file says it has, upright; the pixels may be fewer where a very
    large JPEG was decoded at a fraction of its size.
    """

    pixels: NDArray[np.uint8]
    full_width: int
    full_height: int

    @property
    def width(self) -> int:
        """Width of ``pixels``."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height of ``pixels``."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What is refused before it is decoded: the file's size in bytes, and its pixels."""

    max_bytes: int = 64 * 1024 * 1024
    max_pixels: int = 100_000_000

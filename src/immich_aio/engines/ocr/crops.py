"""Cutting one line of text out of an image, upright and at the recogniser's height."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

LINE_HEIGHT = 48
"""The height, in pixels, at which PP-OCR's recogniser and direction classifier read."""

MID_GREY = 127
"""What PP-OCR pads with: zero after normalising."""

OVERLAP = 2 * LINE_HEIGHT
"""So many pixels are on both pieces where a long line is parted: a whole character, and more."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A part of a line's crop, and where it begins, in pixels of the crop."""

    left: int
    pixels: Pixels

    @property
    def right(self) -> int:
        """Where it ends."""
        return self.left + int(self.pixels.shape[1])


def line_width(corners: NDArray[np.float32]) -> float:
    """How wide a line, given by its corners from its own top left, is at ``LINE_HEIGHT``."""
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    return float(max(sides[0], sides[2]) * LINE_HEIGHT / max(sides[1], sides[3], 1.0))


def cut_line(pixels: Pixels, corners: NDArray[np.float32], width: int) -> Pixels:
    """The line within ``corners`` (4, 2), clockwise from the line's own top left, straightened.

    Shape (LINE_HEIGHT, width, 3). A line much higher than ``LINE_HEIGHT`` is first cut at its own
    size and then averaged down, for sampling it sparsely would drop strokes.
    """
    height = float(np.linalg.norm(corners[0] - corners[3]))
    factor = max(1, round(height / LINE_HEIGHT))
    size = (width * factor, LINE_HEIGHT * factor)
    target = np.array([[0, 0], [size[0], 0], [size[0], size[1]], [0, size[1]]], np.float32)
    transform = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    line = cv2.warpPerspective(
        pixels, transform, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    if factor > 1:
        line = cv2.resize(line, (width, LINE_HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(line, np.uint8)


def padded(crop: Pixels, width: int) -> Pixels:
    """The crop at the left of a grey strip of that width, in pixels."""
    if crop.shape[1] == width:
        return crop
    strip = np.full((crop.shape[0], width, 3), MID_GREY, np.uint8)
    strip[:, : crop.shape[1]] = crop
    return strip


def in_pieces(crop: Pixels, most: int) -> list[Piece]:
    """The crop in pieces at most ``most`` wide, of which neighbours share ``OVERLAP`` pixels."""
    lefts = range(0, max(1, crop.shape[1] - OVERLAP), most - OVERLAP)
    return [Piece(left, crop[:, left : left + most]) for left in lefts]

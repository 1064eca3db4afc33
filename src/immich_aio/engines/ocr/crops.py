"""Cutting one line of text out of an image, upright and at the recogniser's height."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

LINE_HEIGHT = 48
"""The height, in pixels, at which PP-OCR's recogniser and direction classifier read."""

MID_GREY = 127
"""What PP-OCR pads with: zero after normalising."""

GAP_SEARCH = LINE_HEIGHT
"""How far, in pixels to the left, a long line's cut may move to miss the characters."""


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


def split_at_gaps(crop: Pixels, most: int) -> list[Pixels]:
    """The crop in pieces at most ``most`` wide, cut where a column has least contrast."""
    if crop.shape[1] <= most:
        return [crop]
    contrast = crop.max(axis=2).astype(np.float32).std(axis=0)
    cuts = [0]
    while crop.shape[1] - cuts[-1] > most:
        end = cuts[-1] + most
        cuts.append(end - GAP_SEARCH + int(contrast[end - GAP_SEARCH : end].argmin()))
    return [crop[:, left:right] for left, right in zip(cuts, [*cuts[1:], None], strict=True)]

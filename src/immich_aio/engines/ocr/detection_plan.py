"""How large the detector sees an image, and in which pieces: pure decisions.

The detector's cost grows with pixels, and every new input shape costs memory for good, so sizes
come from a coarse grid. Very long strips are cut into overlapping windows.
"""

from __future__ import annotations

from dataclasses import dataclass

GRID = 64
"""Sides of detector inputs are multiples of this, in pixels; the network itself needs 32."""

MAX_ASPECT = 3.5
"""Longer images than this are seen in several windows along their long side."""

MAX_LENGTH = 40
"""A strip is shown at most so many times ``long_side`` long, for a file of a few bytes may claim
one row of a hundred million pixels."""

ENOUGH_PIXELS = 4000
"""As many pixels on the longer side of an ordinary image as finding and reading text can use."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The size, in pixels, at which the whole image is shown to the detector."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Window:
    """One piece of the scaled image, in its pixels: ``left``, ``top``, ``width``, ``height``."""

    left: int
    top: int
    width: int
    height: int


def on_grid(length: float, grid: int = GRID) -> int:
    """The nearest multiple of the grid, at least one."""
    return max(grid, round(length / grid) * grid)


def plan_scale(width: int, height: int, short_side: int, long_side: int) -> Scale:
    """The size to detect at: neither side over its bound, never enlarged but to reach the grid.

    ``long_side`` bounds the longer side of ordinary images; strips longer than ``MAX_ASPECT`` may
    keep a short side of ``long_side / MAX_ASPECT``, for their windows bound the cost instead.
    """
    short, long = sorted((width, height))
    by_long = long_side / min(long, short * MAX_ASPECT)
    ratio = min(1.0, short_side / short, by_long, MAX_LENGTH * long_side / long)
    return Scale(on_grid(width * ratio), on_grid(height * ratio))


def enough_side(width: int, height: int) -> int:
    """So many pixels the longer side must keep when a large image is decoded at a fraction.

    A strip's shorter side, on which its text depends, keeps as many as an ordinary image's.
    """
    short, long = sorted((width, height))
    return round(ENOUGH_PIXELS * max(1.0, long / (short * MAX_ASPECT)))


def plan_windows(scale: Scale, overlap: int = GRID * 2) -> list[Window]:
    """Windows that cover the scaled image, ``MAX_ASPECT`` long to the grid, ``overlap`` shared."""
    short, long = sorted((scale.width, scale.height))
    span = on_grid(short * MAX_ASPECT)
    if long <= span:
        return [Window(0, 0, scale.width, scale.height)]
    starts = [*range(0, long - span, max(GRID, span - overlap)), long - span]
    if scale.width >= scale.height:
        return [Window(start, 0, span, scale.height) for start in starts]
    return [Window(0, start, scale.width, span) for start in starts]

"""Lines of text on a page turned upright: where each stands and how two stand to each other.

The page is turned by the way most of its text runs, so that a page turned by 90°, 180° or 270° and
columns of vertical Chinese become rows like any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Corners = NDArray[np.float32]
"""Shape (n, 4, 2): pixels, clockwise from each text's own top left."""

Span = tuple[float, float]
"""A stretch from left to right."""

TALL = 1.6
"""A line this many times higher than another may stand beside several rows of such lines."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PageLine:
    """A line's box on the upright page, in pixels; ``place`` is the middle of its first row."""

    index: int
    left: float
    top: float
    right: float
    bottom: float
    place: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.bottom - self.top

    @property
    def centre(self) -> float:
        """The middle between left and right."""
        return (self.left + self.right) / 2

    def beside(self, other: PageLine) -> float:
        """Give the space between two lines side by side; negative where one is over the other."""
        return max(self.left, other.left) - min(self.right, other.right)

    def shared(self, other: PageLine) -> float:
        """Give how much of their heights lies side by side; negative where one is lower."""
        return min(self.bottom, other.bottom) - max(self.top, other.top)


def upright_lines(corners: Corners) -> tuple[list[PageLine], float]:
    """Give the lines sorted by place, and the height of most; there must be at least one."""
    boxes = _upright_boxes(corners.astype(np.float64))
    height = float(np.median(boxes[:, 3] - boxes[:, 1]))
    lines = []
    for index, (left, top, right, bottom) in enumerate(boxes.tolist()):
        tall = bottom - top > TALL * height
        place = top + height / 2 if tall else (top + bottom) / 2
        lines.append(PageLine(index, left, top, right, bottom, place))
    lines.sort(key=lambda line: (line.place, line.left, line.right, line.top, line.bottom))
    return lines, height


def covered(lines: Iterable[PageLine], least_gap: float) -> list[Span]:
    """Give the stretches from left to right that lines cover; lesser gaps count as covered."""
    spans: list[Span] = []
    for line in sorted(lines, key=lambda line: line.left):
        if spans and line.left - spans[-1][1] < least_gap:
            spans[-1] = (spans[-1][0], max(spans[-1][1], line.right))
        else:
            spans.append((line.left, line.right))
    return spans


def _upright_boxes(corners: _Floats) -> _Floats:
    """Give left, top, right, bottom of each line as if the page were upright and level."""
    along = (corners[:, 1] - corners[:, 0] + corners[:, 2] - corners[:, 3]) / 2
    across = (corners[:, 3] - corners[:, 0] + corners[:, 2] - corners[:, 1]) / 2
    lengths, heights = np.hypot(*along.T), np.hypot(*across.T)
    quarters = np.round(np.arctan2(along[:, 1], along[:, 0]) / (np.pi / 2)).astype(int) % 4
    main = int(np.argmax(np.bincount(quarters, weights=lengths, minlength=4)))
    # Exact, so that a turned page gives the same numbers: one quarter turn is x, y → y, −x.
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[main]
    back = np.array([[cos, -sin], [sin, cos]])
    centres, along = corners.mean(axis=1) @ back, along @ back
    centres -= centres.min(axis=0)
    # Boxes of one or two characters are too short to show how the page leans.
    telling = (quarters == main) & (lengths >= 2 * heights)
    lean = _weighted_median(np.arctan2(along[telling, 1], along[telling, 0]), lengths[telling])
    level = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
    # Sides and not the corners' bounds: of a long line that leans a little more than most, these
    # would be several rows high.
    sides = np.stack([lengths, heights], axis=1)
    standing = quarters % 2 != main % 2
    sides[standing] = sides[standing, ::-1]
    centres = centres @ level
    return np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)


def _weighted_median(values: _Floats, weights: _Floats) -> float:
    if not weights.size:
        return 0.0
    order = np.argsort(values)
    cumulated = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulated, cumulated[-1] / 2)])

"""The one place where boxes change convention.

Four conventions meet in this product:

========================  =====================================================================
``Quad``                  four corners in pixels, clockwise, shape (4, 2); our own
``Rect``                  x, y, width, height in pixels, axis-aligned; MT-Photos
corner pair               x1, y1, x2, y2 in pixels; Immich's faces, the old fork's OCR
normalised corners        x1, y1, …, x4, y4 as fractions of width and height; Immich's OCR
========================  =====================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Point = tuple[float, float]
Turn = Literal[0, 90, 180, 270]


@dataclass(frozen=True, slots=True)
class Rect:
    """An axis-aligned box in pixels."""

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def from_corner_pair(cls, x1: float, y1: float, x2: float, y2: float) -> Rect:
        """From the top-left and bottom-right corners."""
        return cls(x1, y1, x2 - x1, y2 - y1)

    @property
    def corner_pair(self) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2: the top-left and bottom-right corners."""
        return (self.x, self.y, self.x + self.width, self.y + self.height)

    @property
    def quad(self) -> Quad:
        """The same box as four corners."""
        x1, y1, x2, y2 = self.corner_pair
        return Quad(((x1, y1), (x2, y1), (x2, y2), (x1, y2)))


@dataclass(frozen=True, slots=True)
class Quad:
    """Four corners in pixels, clockwise as seen on the screen (y points down)."""

    points: tuple[Point, Point, Point, Point]

    @classmethod
    def from_flat(cls, numbers: list[float] | tuple[float, ...]) -> Quad:
        """From x1, y1, …, x4, y4. Raises ValueError unless there are eight numbers."""
        x1, y1, x2, y2, x3, y3, x4, y4 = numbers
        return cls(((x1, y1), (x2, y2), (x3, y3), (x4, y4)))

    @property
    def flat(self) -> tuple[float, ...]:
        """x1, y1, …, x4, y4."""
        return tuple(value for point in self.points for value in point)

    @property
    def bounds(self) -> Rect:
        """The smallest axis-aligned box around the corners."""
        xs = [x for x, _ in self.points]
        ys = [y for _, y in self.points]
        return Rect.from_corner_pair(min(xs), min(ys), max(xs), max(ys))

    def scaled(self, by_x: float, by_y: float) -> Quad:
        """Every x times ``by_x`` and every y times ``by_y``."""
        a, b, c, d = ((x * by_x, y * by_y) for x, y in self.points)
        return Quad((a, b, c, d))

    def clipped(self, width: float, height: float) -> Quad:
        """Every corner moved into 0…width, 0…height."""
        a, b, c, d = ((min(max(x, 0.0), width), min(max(y, 0.0), height)) for x, y in self.points)
        return Quad((a, b, c, d))

    def normalised(self, width: int, height: int) -> Quad:
        """As fractions of the image's size, within 0…1."""
        return self.scaled(1 / width, 1 / height).clipped(1.0, 1.0)

    def in_pixels(self, width: int, height: int) -> Quad:
        """The inverse of ``normalised``."""
        return self.scaled(width, height)

    def starting_at(self, first: int) -> Quad:
        """The same corners in the same sense, beginning with corner number ``first``."""
        a, b, c, d = (self.points[(first + step) % 4] for step in range(4))
        return Quad((a, b, c, d))

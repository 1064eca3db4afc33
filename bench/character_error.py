"""Character errors of recognised text, whatever order and whatever pieces it was found in.

A detector may merge two cells of a table or split a line, and may list its boxes in any order:
none of that is an error of recognition. So truth and findings that lie on each other are put in
groups first, and only the texts of a group are compared.
"""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from bench.ocr_canvas import Point, Quad, TextRun

# Boxes of neighbouring lines may touch; less than this share of the smaller is no overlap.
_LEAST_OVERLAP = 0.25


@dataclass(frozen=True)
class _Piece:
    """A text on the upright, level page."""

    text: str
    quad: Quad
    is_truth: bool

    @property
    def box(self) -> tuple[float, float, float, float]:
        xs, ys = [x for x, _ in self.quad], [y for _, y in self.quad]
        return min(xs), min(ys), max(xs), max(ys)


def character_errors(
    truth: Sequence[TextRun], found: Sequence[tuple[str, Quad]], page_angle: int
) -> tuple[int, int]:
    """Count the errors in what was found, and the characters of the truth.

    `page_angle` is how far the page was turned clockwise, 0, 90, 180 or 270. Whitespace does not
    count, and full-width and half-width forms of a character (NFKC) are the same.
    """
    degrees = page_angle + _tilt([_upright(run.quad, page_angle) for run in truth])
    pieces = [_Piece(folded(run.text), _upright(run.quad, degrees), True) for run in truth]
    pieces += [_Piece(folded(text), _upright(quad, degrees), False) for text, quad in found]
    errors = 0
    for group in _groups(pieces):
        wanted = _in_reading_order([piece for piece in group if piece.is_truth])
        got = _in_reading_order([piece for piece in group if not piece.is_truth])
        errors += levenshtein(wanted, got)
    return errors, sum(len(piece.text) for piece in pieces if piece.is_truth)


def folded(text: str) -> str:
    """Return the text in the form that is compared: NFKC, without any whitespace."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def levenshtein(first: str, second: str) -> int:
    """Count the insertions, deletions and substitutions that turn one text into the other."""
    above = list(range(len(second) + 1))
    for row, wanted in enumerate(first, 1):
        current = [row]
        for column, got in enumerate(second):
            change = above[column] + (wanted != got)
            current.append(min(change, above[column + 1] + 1, current[column] + 1))
        above = current
    return above[-1]


def overlap(first: Quad, second: Quad) -> float:
    """Return the share of the smaller quad that the other one covers, 0 to 1."""
    first, second = _clockwise(first), _clockwise(second)
    smaller = min(_area(first), _area(second))
    shared = list(first)
    for start, end in zip(second, second[1:] + second[:1], strict=True):
        shared = _clipped(shared, start, end)
    return _area(shared) / smaller if smaller > 0 else 0.0


def _upright(quad: Quad, degrees: float) -> Quad:
    # About the image's origin: only places relative to each other matter here.
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return tuple((x * cos + y * sin, y * cos - x * sin) for x, y in quad)


def _tilt(quads: Sequence[Quad]) -> float:
    """Return the clockwise degrees by which lines still slope; long lines weigh most."""
    across = sum(quad[1][0] - quad[0][0] for quad in quads)
    down = sum(quad[1][1] - quad[0][1] for quad in quads)
    return math.degrees(math.atan2(down, across))


def _area(polygon: Sequence[Point]) -> float:
    """Return the area, above 0 if the corners run clockwise on the screen."""
    corners = list(polygon)
    following = corners[1:] + corners[:1]
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(corners, following, strict=True)) / 2


def _clockwise(quad: Quad) -> Quad:
    return quad if _area(quad) >= 0 else quad[::-1]


def _clipped(polygon: Sequence[Point], start: Point, end: Point) -> list[Point]:
    """Cut off what lies to the left of the way from `start` to `end` (Sutherland-Hodgman)."""

    def side(point: Point) -> float:
        along, off = (end[0] - start[0]), (end[1] - start[1])
        return along * (point[1] - start[1]) - off * (point[0] - start[0])

    kept: list[Point] = []
    for number, here in enumerate(polygon):
        before = polygon[number - 1]
        s, t = side(before), side(here)
        if (s >= 0) != (t >= 0):
            share = s / (s - t)
            x, y = here[0] - before[0], here[1] - before[1]
            kept.append((before[0] + share * x, before[1] + share * y))
        if t >= 0:
            kept.append(here)
    return kept


def _touch(first: _Piece, second: _Piece) -> bool:
    a, b = first.box, second.box
    # Nearly all pairs are far apart: settle those without cutting polygons.
    if a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]:
        return False
    return overlap(first.quad, second.quad) > _LEAST_OVERLAP


def _groups(pieces: Sequence[_Piece]) -> list[list[_Piece]]:
    """Return the connected components of truth and findings that lie on each other."""
    groups: list[list[_Piece]] = []
    for piece in pieces:
        joined = [piece]
        apart = []
        for group in groups:
            if any(piece.is_truth != other.is_truth and _touch(piece, other) for other in group):
                joined += group
            else:
                apart.append(group)
        groups = [*apart, joined]
    return groups


def _in_reading_order(pieces: Sequence[_Piece]) -> str:
    rows: list[list[_Piece]] = []
    for piece in sorted(pieces, key=_middle):
        # Half a line apart is another row; what stands on one line is rarely centred the same.
        if rows and _middle(piece) - _middle(rows[-1][0]) < _height(piece, rows[-1][0]) / 2:
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return "".join(
        piece.text for row in rows for piece in sorted(row, key=lambda piece: piece.box[0])
    )


def _middle(piece: _Piece) -> float:
    return (piece.box[1] + piece.box[3]) / 2


def _height(*pieces: _Piece) -> float:
    return max(piece.box[3] - piece.box[1] for piece in pieces)

"""Running text that stands in columns, told from the columns of tables and receipts.

Columns are set apart by gutters that no line crosses. They hold running text where most lines are
long, many reach as far as the longest, they follow each other closely, and each column has such
lines. A table rarely has all of that in two columns, and a receipt never.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from immich_aio.domain.page_lines import PageLine, Span, covered

# In heights of lines:
_GUTTER = 0.5  # the narrowest space between columns
_LONG = 8.0  # lines of running text are at least this wide
_PITCH = 2.0  # they follow each other within this, from middle to middle
_BREAK = 2.5  # so much empty space across all columns ends them

_MIN_LONG = 3  # long lines of a column, at least
_LONG_SHARE = 0.7  # of a column's ink is in long lines


@dataclass(frozen=True, slots=True)
class Columns:
    """Lines ``start`` to ``end`` of a page stand in ``columns``, which are in reading order."""

    start: int
    end: int
    columns: list[list[PageLine]]


def first_columns(lines: list[PageLine], height: float) -> tuple[int, int, list[list[PageLine]]] | None:
    """Find the first lines that stand in columns: where they start and end, and each column."""
    at = 0
    while at < len(lines):
        gutters = _gutters_beside(lines, at, height)
        if not gutters:
            at += 1
            continue
        end, gutters = _down(lines, at, gutters, height)
        start, gutters = _up(lines, at, gutters, height)
        columns = _prose_columns(lines[start:end], gutters, height)
        if columns:
            return start, end, columns
        at = max(end, at + 1)
    return None


def _gutters_beside(lines: list[PageLine], at: int, height: float) -> list[Span]:
    """Give the spaces between a long line and those at its sides, of which one must be long too."""
    line = lines[at]
    if line.width < _LONG * height:
        return []
    band = [line]
    for other in lines[at + 1 :]:
        if other.place > line.bottom:
            break
        band.append(other)
    if not any(
        other.width >= _LONG * height and line.beside(other) >= _GUTTER * height
        for other in band[1:]
    ):
        return []
    spans = covered(band, _GUTTER * height)
    return [(one[1], other[0]) for one, other in pairwise(spans)]


def _down(
    lines: list[PageLine], start: int, gutters: list[Span], height: float
) -> tuple[int, list[Span]]:
    """Follow the gutters downward, to where a line closes them or all columns end."""
    bottom = lines[start].bottom
    for end, line in enumerate(lines[start:], start):
        open_gutters = _clipped(gutters, line, height)
        if line.top - bottom > _BREAK * height:
            return end, gutters
        if not open_gutters:
            while end > start and lines[end - 1].place >= line.top:
                end -= 1  # what stands beside the closing line
            return end, gutters
        gutters, bottom = open_gutters, max(bottom, line.bottom)
    return len(lines), gutters


def _up(
    lines: list[PageLine], start: int, gutters: list[Span], height: float
) -> tuple[int, list[Span]]:
    """Follow the gutters upward, as one column may begin higher than the others."""
    top = lines[start].top
    while start > 0:
        line = lines[start - 1]
        open_gutters = _clipped(gutters, line, height)
        follows = top - line.bottom <= 0.8 * height and line.height <= 1.35 * height
        if not open_gutters or not (line.bottom > top + 0.3 * height or follows):
            break
        start, gutters, top = start - 1, open_gutters, min(top, line.top)
    return start, gutters


def _clipped(gutters: list[Span], line: PageLine, height: float) -> list[Span]:
    """Give what a line leaves open of the gutters."""
    parts = [
        part
        for low, high in gutters
        for part in (
            ((low, high),)
            if line.right <= low or line.left >= high
            else ((low, line.left), (line.right, high))
        )
    ]
    return [(low, high) for low, high in parts if high - low >= _GUTTER * height]


def _prose_columns(
    lines: list[PageLine], gutters: list[Span], height: float
) -> list[list[PageLine]] | None:
    """Part the lines into columns of running text; None where there are not two of them.

    What is no running text by itself, such as bullets or numbers, joins its nearer neighbour.
    """
    gaps = sorted(gutters)
    middles = [(low + high) / 2 for low, high in gaps]
    columns: list[list[PageLine]] = [[] for _ in range(len(gaps) + 1)]
    for line in lines:
        columns[sum(line.centre > middle for middle in middles)].append(line)
    while gaps:
        odd = next((at for at in range(len(columns)) if not _is_prose(columns, at, height)), None)
        if odd is None:
            return columns
        sides = [at for at in (odd - 1, odd) if 0 <= at < len(gaps)]
        closed = min(sides, key=lambda at: gaps[at][1] - gaps[at][0])
        joined = columns[closed] + columns[closed + 1]
        columns[closed : closed + 2] = [sorted(joined, key=lambda line: line.place)]
        del gaps[closed]
    return None


def _is_prose(columns: Sequence[list[PageLine]], at: int, height: float) -> bool:
    """Tell running text by its long lines, which fill the column and follow each other closely."""
    column = columns[at]
    long = [line for line in column if line.width >= _LONG * height]
    if sum(line.width for line in long) < _LONG_SHARE * sum(line.width for line in column):
        return False
    last = 1 < at == len(columns) - 1  # the text may end at the top of its last column
    if len(long) < (1 if last else _MIN_LONG):
        return False
    width = max(line.right for line in column) - min(line.left for line in column)
    pitches = [lower.place - upper.place for upper, lower in pairwise(long)]
    beside = columns[at - 1] if at else columns[1]
    paired = sum(any(line.shared(other) > 0 for other in beside) for line in long)
    return (
        2 * sum(line.width >= _FULL * width for line in long) >= len(long)
        and median(pitches or [0.0]) <= _PITCH * height
        and paired >= min(_MIN_LONG, len(long))
    )

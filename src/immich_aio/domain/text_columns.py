"""Running text that stands in columns, told from the columns of tables and receipts.

Columns are set apart by gutters that no line crosses. They hold running text where most lines are
long, many reach as far as the longest, they follow each other closely, and each column has such
lines. A table rarely has all of that in two columns, and a receipt never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from statistics import median

from immich_aio.domain.page_lines import PageLine, Span, covered

# In heights of lines:
_GUTTER = 0.5  # the narrowest space between columns
_LONG = 8.0  # lines of running text are at least this wide
_PITCH = 2.1  # they follow each other within this, from middle to middle
_BREAK = 2.5  # so much empty space across all columns ends them
_CLOSE = 0.8  # so little above a column's first line leaves it in the column
_APART = 1.2  # so much above what is no running text makes it a footer
_INDENT = 2.0  # lines of one column begin this near to each other

_MIN_LONG = 3  # long lines of a column, at least
_LONG_SHARE = 0.7  # of a column's ink is in long lines
_NEIGHBOURS = 8  # lines above or below that show where columns begin
_BAND = 64  # lines side by side that are looked at
_FOOTER_LINES = 3


@dataclass(frozen=True, slots=True)
class Columns:
    """Lines ``start`` to ``end`` of a page stand in ``columns``, which are in reading order."""

    start: int
    end: int
    columns: list[list[PageLine]]


def first_columns(lines: list[PageLine], height: float) -> Columns | None:
    """Find the first running text in columns among lines sorted by place.

    ``height`` is that of most lines of the page.
    """
    at = 0
    while at < len(lines):
        gutters = _gutters_beside(lines, at, height)
        if not gutters:
            at += 1
            continue
        end, gutters = _down(lines, at, gutters, height)
        start, gutters = _up(lines, at, gutters, height)
        kept = _without_footer(lines, start, end, height)
        columns = _prose_columns(lines[start:kept], gutters, height)
        if columns:
            return Columns(start, kept, columns)
        at = max(end, at + 1)
    return None


# ---- How far columns reach


def _gutters_beside(lines: list[PageLine], at: int, height: float) -> list[Span]:
    """Give the spaces between a long line and those at its sides, of which one must be long too."""
    line = lines[at]
    if line.width < _LONG * height:
        return []
    band = [line]
    for other in lines[at + 1 : at + _BAND]:
        if other.place > line.bottom + height:
            break
        if line.shared(other) > 0:
            band.append(other)
    if not any(
        other.width >= _LONG * height and line.beside(other) >= _GUTTER * height
        for other in band[1:]
    ):
        return []
    return [(one[1], other[0]) for one, other in pairwise(covered(band, _GUTTER * height))]


def _down(
    lines: list[PageLine], start: int, gutters: list[Span], height: float
) -> tuple[int, list[Span]]:
    """Follow the gutters downward, to where a line closes them or all columns end."""
    bottom = lines[start].bottom
    end = start
    while end < len(lines) and lines[end].top - bottom <= _BREAK * height:
        line = lines[end]
        still_open = _clipped(gutters, line, height)
        if not still_open:
            while end > start and lines[end - 1].place >= line.top:
                end -= 1  # what stands beside the closing line
            break
        gutters, bottom, end = still_open, max(bottom, line.bottom), end + 1
    return end, gutters


def _up(
    lines: list[PageLine], start: int, gutters: list[Span], height: float
) -> tuple[int, list[Span]]:
    """Follow the gutters upward, as one column may begin higher than the others."""
    top = lines[start].top
    while start > 0:
        line = lines[start - 1]
        still_open = _clipped(gutters, line, height)
        same_row = line.bottom - top > 0.3 * line.height
        above = top - line.bottom <= _CLOSE * height and line.height <= 1.35 * height
        begins = lines[start : start + _NEIGHBOURS]
        if len(still_open) < len(gutters) or not (
            same_row or (above and _aligned(line, begins, height))
        ):
            break
        start, gutters, top = start - 1, still_open, min(top, line.top)
    return start, gutters


def _without_footer(lines: list[PageLine], start: int, end: int, height: float) -> int:
    """Give where the columns end, less a few last lines that stand apart below them."""
    for at in range(end - 1, max(start, end - 1 - _FOOTER_LINES), -1):
        ends = lines[max(start, at - _NEIGHBOURS) : at]
        if lines[at].top - max(line.bottom for line in ends) < _APART * height:
            continue
        last = lines[at:end]
        text = all(line.width >= _LONG * height and _aligned(line, ends, height) for line in last)
        one_column = len(covered(last, _GUTTER * height)) == 1
        return at if one_column and not text else end
    return end


def _aligned(line: PageLine, others: list[PageLine], height: float) -> bool:
    return any(abs(line.left - other.left) <= _INDENT * height for other in others)


def _clipped(gutters: list[Span], line: PageLine, height: float) -> list[Span]:
    """Give what a line leaves open of the gutters."""
    parts: list[Span] = []
    for low, high in gutters:
        if line.right <= low or line.left >= high:
            parts.append((low, high))
        else:
            parts += [(low, line.left), (line.right, high)]
    return [(low, high) for low, high in parts if high - low >= _GUTTER * height]


# ---- What columns hold


def _prose_columns(
    lines: list[PageLine], gutters: list[Span], height: float
) -> list[list[PageLine]] | None:
    """Part the lines into columns of running text; None where there are not two of them.

    What is no running text by itself, such as bullets or numbers, joins its nearer neighbour.
    """
    middles = [(low + high) / 2 for low, high in gutters]
    columns: list[list[PageLine]] = [[] for _ in range(len(gutters) + 1)]
    for line in lines:
        columns[sum(line.centre > middle for middle in middles)].append(line)
    gaps = [high - low for low, high in gutters]
    while gaps:
        odd = next((at for at in range(len(columns)) if not _is_prose(columns, at, height)), None)
        if odd is None:
            return columns
        closed = min((at for at in (odd, odd - 1) if 0 <= at < len(gaps)), key=gaps.__getitem__)
        joined = columns[closed] + columns[closed + 1]
        columns[closed : closed + 2] = [sorted(joined, key=lambda line: line.place)]
        del gaps[closed]
    return None


def _is_prose(columns: Sequence[list[PageLine]], at: int, height: float) -> bool:
    """Tell whether column number ``at`` is running text, with other text at its side."""
    column = columns[at]
    long = [line for line in column if line.width >= _LONG * height]
    if sum(line.width for line in long) < _LONG_SHARE * sum(line.width for line in column):
        return False
    # Text may end at the top of its last column.
    least = 1 if 1 < at == len(columns) - 1 else _MIN_LONG
    beside = columns[at - 1] if at else columns[1]
    paired = (line for line in long if any(line.shared(other) > 0 for other in beside))
    return (
        len(list(islice(paired, least))) == least
        and _reaches_its_edge(column, long)
        and _follows_closely(column, height)
    )


def _reaches_its_edge(column: list[PageLine], long: list[PageLine]) -> bool:
    """Tell lines that were broken where the column ends from cells that end where they may."""
    width = max(line.right for line in column) - min(line.left for line in column)
    nearly, fully = (sum(line.width >= part * width for line in long) for part in (0.85, 0.92))
    return 2 * nearly >= len(long) or 4 * fully >= len(long) >= 8


def _follows_closely(column: list[PageLine], height: float) -> bool:
    pitches = [lower.place - upper.place for upper, lower in pairwise(column)]
    pitches = [pitch for pitch in pitches if pitch > height / 2]
    return not pitches or median(pitches) <= _PITCH * height

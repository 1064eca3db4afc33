"""The order in which a person reads the lines of a page: a pure decision.

On the page turned upright, running text that stands in columns is read column by column, and all
else row by row: tables, receipts, forms, conversations. Thresholds are in heights of lines, so that
the size of the image does not matter.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from math import inf
from operator import attrgetter

from immich_aio.domain.page_lines import TALL, Corners, PageLine, covered, upright_lines
from immich_aio.domain.text_columns import first_columns

_SAME_ROW = 0.5  # lines share a row that stand side by side for this part of the lower one's height
_RECENT = 6  # rows that a line may still belong to
_NEIGHBOURS = 3  # lines to either side in a row that are looked at
_CELL_LINES = 6  # the most lines of a table's cell that are known as one cell
_CELL_GAP = 0.8  # they follow each other more closely than this
_left = attrgetter("left")


def reading_order(corners: Corners) -> list[int]:
    """Give the indices of the lines in reading order.

    ``corners`` has shape (n, 4, 2): pixels, clockwise from each text's own top left.
    """
    if not len(corners):
        return []
    lines, height = upright_lines(corners)
    return [line.index for line in _ordered(lines, height)]


def _ordered(lines: list[PageLine], height: float) -> list[PageLine]:
    """Read lines sorted by place; ``height`` is that of most lines of the page."""
    order: list[PageLine] = []
    while found := first_columns(lines, height):
        order += _row_by_row(lines[: found.start], height)
        for column in found.columns:
            order += _ordered(column, height)
        lines = lines[found.end :]
    return order + _row_by_row(lines, height)


def _row_by_row(lines: list[PageLine], height: float) -> list[PageLine]:
    """Read rows from the top, each from the left; a table's cell of several lines stays whole."""
    rows = _rows(lines)
    order: list[PageLine] = []
    start = 0
    while start < len(rows):
        end, cells = _tall_cells(rows, start, height)
        order += [line for cell in cells for line in cell]
        start = end
    return order


def _rows(lines: list[PageLine]) -> list[list[PageLine]]:
    rows: list[list[PageLine]] = []
    for line in lines:
        near = [(away, row) for row in rows[-_RECENT:] if (away := _away(line, row)) < inf]
        if near:
            insort(min(near, key=lambda pair: pair[0])[1], line, key=_left)
        else:
            rows.append([line])
    return rows


def _away(line: PageLine, row: list[PageLine]) -> float:
    """Give how far a line is from its neighbour in a row; endless where it is not of the row.

    The neighbour decides, and not all of the row, as rows on a photograph are rarely straight. It
    should not be much higher than the line, as it may stand beside other rows too.
    """
    at = bisect_right(row, line.left, key=_left)
    around = row[max(0, at - _NEIGHBOURS) : at + _NEIGHBOURS]
    if any(line.beside(other) < -_SAME_ROW * min(line.height, other.height) for other in around):
        return inf
    alike = [other for other in around if other.height <= TALL * line.height]
    nearest = min(alike or around, key=line.beside)
    enough = _SAME_ROW * min(line.height, nearest.height)
    return line.beside(nearest) if line.shared(nearest) >= enough else inf


def _tall_cells(
    rows: list[list[PageLine]], start: int, height: float
) -> tuple[int, list[list[PageLine]]]:
    """Give the cells of the table's row at ``start`` and where the next begins.

    Several rows of lines are one row of a table where space sets them apart, and where cells of
    fewer lines stand at half the height of others: ``A`` beside ``B1`` over ``B2``.
    """
    top_gap = _gap(rows, start)
    inner = 0.0
    for end in range(start + 1, min(len(rows), start + 2 * _CELL_LINES) + 1):
        gap = _gap(rows, end)
        outer = min(top_gap, gap)
        if end > start + 1 and 0.3 * height + 2 * inner < outer < inf:
            cells = _cells(rows[start:end])
            if _centred(cells, height):
                return end, cells
            break
        if gap > _CELL_GAP * height:
            break
        inner = max(inner, gap)
    return start + 1, [rows[start]]


def _gap(rows: list[list[PageLine]], end: int) -> float:
    """Give the space above row number ``end``; endless at the page's edges."""
    if not 0 < end < len(rows):
        return inf
    return min(line.top for line in rows[end]) - max(line.bottom for line in rows[end - 1])


def _cells(rows: list[list[PageLine]]) -> list[list[PageLine]]:
    lines = [line for row in rows for line in row]
    lefts = sorted({left for left, _ in covered(lines, 0.0)})
    cells: list[list[PageLine]] = [[] for _ in lefts]
    for line in lines:
        cells[bisect_right(lefts, line.left) - 1].append(line)
    return cells


def _centred(cells: list[list[PageLine]], height: float) -> bool:
    counts = {len(cell) for cell in cells}
    middles = [(cell[0].top + cell[-1].bottom) / 2 for cell in cells]
    return (
        len(counts) > 1
        and max(counts) <= _CELL_LINES
        and max(middles) - min(middles) <= 0.3 * height
    )

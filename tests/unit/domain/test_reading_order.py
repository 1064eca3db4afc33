"""Lines come in the order in which a person reads the page, whichever way it lies.

Every page here is drawn in its reading order: the numbers of its lines count up from 0.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from immich_aio.domain.reading_order import reading_order

# Time says nothing here: other work shares the processor.
promise = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

Box = tuple[float, float, float, float]
Page = NDArray[np.float32]
HEIGHT = 20
TURNS = (0, 90, 180, 270)


def page(*boxes: Box) -> Page:
    """Lying lines of text: left, top, width and height of each."""
    corners = [((x, y), (x + w, y), (x + w, y + h), (x, y + h)) for x, y, w, h in boxes]
    return np.array(corners, np.float32).reshape(-1, 4, 2)


def turned(corners: Page, degrees: float) -> Page:
    """The page turned clockwise, as a photograph of it would show it."""
    radians = np.radians(degrees)
    cos, sin = np.cos(radians), np.sin(radians)
    if degrees % 90 == 0:
        cos, sin = round(cos), round(sin)
    around: Page = (corners @ np.array([[cos, sin], [-sin, cos]])).astype(np.float32)
    return around


def seen_by_a_detector(corners: Page, seed: int = 0) -> Page:
    """The same boxes a little too large, their corners a little off, in whole pixels."""
    noise = np.random.default_rng(seed).normal(0, 0.8, corners.shape)
    along = corners[:, 1] - corners[:, 0]
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1)
    across = corners[:, 3] - corners[:, 0]
    across = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1)
    outward = np.stack([-along - across, along - across, along + across, across - along], axis=1)
    found: Page = np.round(corners + 3 * outward + noise).astype(np.float32)
    return found


def lines(
    left: float, top: float, widths: list[float], pitch: float = 30, height: float = HEIGHT
) -> list[Box]:
    """Lines one below the other."""
    return [(left, top + number * pitch, width, height) for number, width in enumerate(widths)]


def table(
    columns: int, rows: int, cell: Callable[[int, int], Box | None], pitch: float = 36
) -> list[Box]:
    """Cells row by row; ``cell`` gives the box of a column and row within its place, or nothing."""
    boxes = []
    for row in range(rows):
        for column in range(columns):
            box = cell(column, row)
            if box:
                x, y, w, h = box
                boxes.append((40 + column * 120 + x, 80 + row * pitch + y, w, h))
    return boxes


def plain_cell(column: int, row: int) -> Box:
    return 0, 0, 30 + (column * 37 + row * 23) % 70, HEIGHT


def cell_unless_empty(column: int, row: int) -> Box | None:
    return None if (column * 3 + row * 5) % 4 == 1 else plain_cell(column, row)


def cell_of_some_height(column: int, row: int) -> Box:
    height = (14, 20, 26)[(column + 2 * row) % 3]
    return 0, (HEIGHT - height) / 2, 40 + (column * 31 + row * 17) % 60, height


def table_of_tall_cells() -> Iterator[Box]:
    """A number, a description of one to three lines, and an amount; all centred in their row."""
    top = 100.0
    for row, count in enumerate([2, 3, 1, 2, 3, 1]):
        middle = top + 24 * (count - 1) / 2
        yield 40, middle, 24, HEIGHT
        yield from lines(120, top, [180.0 + 10 * row] * (count - 1) + [90], pitch=24)
        yield 420, middle, 60, HEIGHT
        top += 24 * count + 20


def receipt() -> Iterator[Box]:
    yield 180, 20, 240, 40
    yield from lines(40, 90, [330, 210, 300], pitch=35)
    widths = [160, 90, 220, 130, 190, 75, 240, 110]
    for row, width in enumerate(widths):
        top = 220 + row * 35
        yield 40, top, width, HEIGHT
        if row % 3 != 2:
            yield 360, top + 1, 12, HEIGHT
        yield 560 - 70, top - 1, 70, HEIGHT
    yield 40, 520, 110, HEIGHT
    yield 440, 510, 120, 36
    yield from lines(40, 570, [260, 200], pitch=35)
    yield 150, 660, 300, HEIGHT


def receipt_of_long_names() -> Iterator[Box]:
    for row, width in enumerate([300, 280, 310, 295, 305, 290, 300, 285]):
        yield 40, 40 + row * 28, width, HEIGHT
        yield 480, 40 + row * 28, 80, HEIGHT


def chat() -> Iterator[Box]:
    yield 270, 20, 60, HEIGHT
    bubbles = [(80, 3), (280, 2), (280, 1), (80, 4), (280, 3), (80, 1), (80, 2), (280, 5)]
    top = 70.0
    for left, count in bubbles:
        yield from lines(left, top, [240.0] * (count - 1) + [150.0], pitch=28)
        top += 28 * count + 30


def chat_of_short_bubbles() -> Iterator[Box]:
    """No bubble reaches the middle, so that a gutter goes from top to bottom."""
    for number in range(8):
        yield from lines((40, 420)[number % 2], 40 + number * 90, [200, 180], pitch=28)


def settings_screen() -> Iterator[Box]:
    for row, width in enumerate([150, 90, 210, 130, 170, 110, 240, 100]):
        yield 60, 100 + row * 70, width, 34
        if row % 2:
            yield 540, 102 + row * 70, 90, 30


def in_columns(count: int, rows: int, pitch: float = 30, shift: float = 0) -> Iterator[Box]:
    """Running text between a heading and a footer; every fourth line ends a paragraph."""
    width, gutter = 900 / count - 40, 40
    yield 120, 20, 640, 44
    for column in range(count):
        left = 20 + column * (width + gutter)
        widths = [width * (0.5 if row % 4 == 3 else 0.97 + row % 2 * 0.03) for row in range(rows)]
        yield from lines(left, 120 + column * shift, widths, pitch)
    yield 400, 120 + rows * pitch + 60, 80, HEIGHT


def ragged_columns() -> Iterator[Box]:
    """Not justified, as most English on screens; the right column ends early."""
    widths = [380, 352, 391, 368, 200, 377, 395, 340, 388, 120]
    yield from lines(20, 50, [float(width) for width in widths])
    yield from lines(460, 50, [float(width) for width in widths[3:7]])


def bulleted_columns() -> Iterator[Box]:
    for left in (20, 480):
        for row in range(8):
            if row % 2 == 0:
                yield left, 40 + row * 30 + 4, 12, 12
            yield left + 30, 40 + row * 30, 360 if row % 2 == 0 else 220, HEIGHT


def teasers() -> Iterator[Box]:
    """A page of news: a menu, then two columns of headlines with text and a source below each."""
    for x in (20, 110, 200, 290):
        yield x, 20, 60, 26
    for left, texts in ((20, (2, 3, 2)), (520, (3, 2, 2))):
        top = 90.0
        for number, count in enumerate(texts):
            yield left, top, 250 + 40 * number, 32
            yield from lines(left, top + 52, [430.0] * (count - 1) + [400 - 90 * number], 36, 24)
            yield left, top + 52 + 36 * count + 4, 220, 20
            top += 52 + 36 * count + 60


def spanning_headings() -> Iterator[Box]:
    """Columns, a heading across them, and columns again."""
    for top in (20, 420):
        yield 40, top, 700, 40
        for left in (20, 420):
            yield from lines(left, top + 80, [360, 350, 360, 355, 200, 360, 350, 160])


def table_after_columns() -> Iterator[Box]:
    for left in (20, 420):
        yield from lines(left, 40, [360, 350, 360, 355, 200])
    for row in range(6):
        for column in range(5):
            yield 20 + column * 150, 260 + row * 40, 60 + 8 * ((row + column) % 4), HEIGHT


PAGES: dict[str, list[Box]] = {
    "a document": [(60, 20, 300, 40), *lines(60, 100, [620, 600, 615, 240, 610, 620, 90])],
    "a table": table(5, 12, plain_cell),
    "a table of ten columns": table(10, 20, plain_cell),
    "a table of two columns": table(2, 9, plain_cell),
    "a table with empty cells": table(7, 12, cell_unless_empty),
    "a table with cells of several heights": table(6, 10, cell_of_some_height),
    "a table with cells of several lines": list(table_of_tall_cells()),
    "a receipt": list(receipt()),
    "a receipt of long names": list(receipt_of_long_names()),
    "a conversation": list(chat()),
    "a conversation in short bubbles": list(chat_of_short_bubbles()),
    "a list of settings": list(settings_screen()),
    "two columns": list(in_columns(2, 16)),
    "two columns of three lines": list(in_columns(2, 3)),
    "two columns that are not level": list(in_columns(2, 16, shift=14)),
    "three columns": list(in_columns(3, 20)),
    "three columns that are not level": list(in_columns(3, 20, shift=9)),
    "two ragged columns": list(ragged_columns()),
    "two columns with bullets": list(bulleted_columns()),
    "two columns of news": list(teasers()),
    "columns, a heading and columns": list(spanning_headings()),
    "columns over a table": list(table_after_columns()),
}
any_page = pytest.mark.parametrize("boxes", PAGES.values(), ids=PAGES.keys())


def assert_reads_as_drawn(corners: Page) -> None:
    assert reading_order(corners) == list(range(len(corners)))


def assert_read_as_drawn_when_shuffled(corners: Page) -> None:
    places = np.random.default_rng(len(corners)).permutation(len(corners))
    assert places[reading_order(corners[places])].tolist() == list(range(len(corners)))


@any_page
@pytest.mark.parametrize("degrees", TURNS)
def test_a_page_is_read_in_order_whichever_way_it_lies(boxes: list[Box], degrees: int) -> None:
    assert_read_as_drawn_when_shuffled(turned(page(*boxes), degrees))


@any_page
@pytest.mark.parametrize("degrees", [-10, -6, -2, 1, 4, 10, 87, 183, 275])
def test_a_tilt_does_not_mix_rows(boxes: list[Box], degrees: int) -> None:
    assert_read_as_drawn_when_shuffled(turned(page(*boxes), degrees))


@any_page
@pytest.mark.parametrize("seed", range(4))
def test_boxes_need_not_be_exact(boxes: list[Box], seed: int) -> None:
    assert_read_as_drawn_when_shuffled(seen_by_a_detector(page(*boxes), seed))
    assert_read_as_drawn_when_shuffled(seen_by_a_detector(turned(page(*boxes), 93), seed))


def test_vertical_columns_are_read_from_the_right() -> None:
    """Each column's own top left is the top right of its box; it runs downward."""
    columns = [
        ((x + 24, 40), (x + 24, 40 + length), (x, 40 + length), (x, 40))
        for x, length in ((500, 420), (460, 410), (420, 200), (380, 420), (340, 90))
    ]
    assert_reads_as_drawn(np.array(columns, np.float32))


def test_vertical_text_in_two_tiers_is_read_tier_by_tier() -> None:
    """They are columns of running text, turned."""
    columns = [
        ((x + 24, top), (x + 24, top + 300), (x, top + 300), (x, top))
        for top in (40, 380)
        for x in (500, 462, 424, 386, 348)
    ]
    assert_reads_as_drawn(np.array(columns, np.float32))


def test_rows_of_a_photograph_may_bend() -> None:
    """From one side to the other this page's rows sink by twice their pitch."""
    boxes = [(x * 60, row * 30 + x**2 * 0.4, 50, HEIGHT) for row in range(8) for x in range(12)]
    assert_reads_as_drawn(page(*boxes))


def test_a_high_cell_belongs_to_the_first_of_its_rows() -> None:
    assert_reads_as_drawn(
        page((20, 20, 90, 80), *lines(200, 20, [150]), *lines(200, 50, [120, 140]))
    )


def test_text_standing_in_the_margin_mixes_no_rows() -> None:
    rows = [(80, 40 + 36 * row, 100 + 30 * (row % 3), HEIGHT) for row in range(8)]
    amounts = [(400, 40 + 36 * row, 60, HEIGHT) for row in range(8)]
    standing = np.array([[(44, 40), (44, 300), (20, 300), (20, 40)]], np.float32)
    corners = np.concatenate([page(*rows, *amounts), standing])
    order = [index for index in reading_order(corners) if index < 16]
    assert order == [index for row in range(8) for index in (row, row + 8)]


def test_no_lines_have_no_order_and_one_has_one() -> None:
    assert reading_order(np.zeros((0, 4, 2), np.float32)) == []
    assert reading_order(page((7, 7, 7, 7))) == [0]


@pytest.mark.parametrize("size", [(0, 0), (50, 0), (0, 20)])
def test_boxes_without_a_height_or_width_lose_nothing(size: tuple[float, float]) -> None:
    """Nor do they warn: in these tests a warning is an error."""
    boxes = page(*[(30.0 * (n % 3), 40.0 * (n // 3), *size) for n in range(9)])
    assert sorted(reading_order(boxes)) == list(range(9))
    mixed = np.concatenate([boxes, page(*PAGES["two columns"])])
    assert sorted(reading_order(mixed)) == list(range(len(mixed)))


@pytest.mark.parametrize("columns", [1, 2, 10])
def test_a_thousand_lines_take_no_time(columns: int) -> None:
    """A third of this is usual; the best of three, as other work shares the processor."""
    width = 1800 / columns
    boxes = [
        (n % columns * (width + 20), n // columns * 30, width * (1, 0.6, 0.9)[n % 7 % 3], HEIGHT)
        for n in range(1000)
    ]
    corners = page(*boxes)
    times = []
    for _ in range(3):
        started = time.process_time()
        reading_order(corners)
        times.append(time.process_time() - started)
    assert min(times) < 0.1


# Whatever the page

coordinates = st.integers(0, 60).map(lambda number: number * 8)
heights = st.sampled_from([16, 24, 40])
boxes_anywhere = st.lists(
    st.tuples(coordinates, coordinates, st.integers(1, 40).map(lambda n: n * 16), heights),
    max_size=25,
)
quads = st.lists(st.floats(-1e5, 1e5, width=32), min_size=8, max_size=8)


@promise
@given(st.lists(quads, max_size=12))
def test_every_line_comes_once_whatever_its_corners(flat: list[list[float]]) -> None:
    corners = np.array(flat, np.float32).reshape(-1, 4, 2)
    assert sorted(reading_order(corners)) == list(range(len(corners)))


@promise
@given(boxes_anywhere, st.lists(st.sampled_from(TURNS), min_size=25, max_size=25))
def test_every_line_comes_once_on_a_mixed_page(boxes: list[Box], turns: list[int]) -> None:
    corners = page(*boxes)
    for index, degrees in enumerate(turns[: len(boxes)]):
        corners[index] = turned(corners[index : index + 1], degrees)[0]
    order = reading_order(corners)
    assert sorted(order) == list(range(len(corners)))
    assert reading_order(corners.copy()) == order


@promise
@given(boxes_anywhere, st.sampled_from([0.25, 0.5, 3, 16]), coordinates, coordinates)
def test_neither_scale_nor_place_matters(boxes: list[Box], by: float, x: int, y: int) -> None:
    corners = page(*boxes)
    moved = (corners * by + np.array([x - 240, y - 240])).astype(np.float32)
    assert reading_order(moved) == reading_order(corners)


@promise
@given(boxes_anywhere, st.sampled_from(TURNS))
def test_a_turn_of_the_page_does_not_matter(boxes: list[Box], degrees: int) -> None:
    corners = page(*boxes)
    assert reading_order(turned(corners, degrees)) == reading_order(corners)


@promise
@given(boxes_anywhere, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(boxes: list[Box], random: object) -> None:
    """Equal boxes are told apart by nothing: the boxes are compared, and not their numbers."""
    corners = page(*boxes)
    places = list(range(len(boxes)))
    random.shuffle(places)  # type: ignore[attr-defined]
    shuffled = corners[places]
    assert (shuffled[reading_order(shuffled)] == corners[reading_order(corners)]).all()

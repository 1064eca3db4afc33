"""What counts as a character error, and what does not."""

import math

import numpy as np
import pytest

from bench.character_error import character_errors, folded, levenshtein, overlap
from bench.ocr_canvas import Page, Quad, Style, TextRun, laid_on, turned


def box(left: float, top: float, right: float, bottom: float) -> Quad:
    return ((left, top), (right, top), (right, bottom), (left, bottom))


LEFT, RIGHT, BELOW = box(0, 0, 100, 20), box(150, 0, 250, 20), box(0, 40, 100, 60)
TRUTH = [TextRun("牛奶 3", LEFT), TextRun("12.50", RIGHT), TextRun("合计", BELOW)]


def test_what_is_found_as_it_stands_has_no_errors_in_any_order() -> None:
    found = [(run.text, run.quad) for run in reversed(TRUTH)]
    assert character_errors(TRUTH, found, 0) == (0, 10)


def test_a_wrong_character_is_one_error() -> None:
    assert character_errors(TRUTH, [("牛奶3", LEFT), ("12.60", RIGHT), ("合计", BELOW)], 0) == (
        1,
        10,
    )


def test_merged_cells_are_no_error() -> None:
    found = [("牛奶3 12.50", box(-2, -3, 253, 23)), ("合计", BELOW)]
    assert character_errors(TRUTH, found, 0) == (0, 10)


def test_a_split_line_is_no_error() -> None:
    # The right part hangs a little higher, as found boxes do.
    found = [("50", box(205, -3, 252, 18)), ("12.", box(148, 1, 204, 21)), ("合计", BELOW)]
    assert character_errors(TRUTH[1:], found, 0) == (0, 7)


def test_lines_under_one_box_are_read_row_by_row() -> None:
    truth = [TextRun("丙", BELOW), TextRun("乙", RIGHT), TextRun("甲", LEFT)]
    assert character_errors(truth, [("甲乙丙", box(0, 0, 250, 60))], 0) == (0, 3)


def test_text_that_is_not_there_counts_in_full() -> None:
    found = [(run.text, run.quad) for run in TRUTH] + [("噪声", box(400, 400, 450, 420))]
    assert character_errors(TRUTH, found, 0) == (2, 10)


def test_text_found_twice_counts_the_second_time() -> None:
    found = [(run.text, run.quad) for run in TRUTH] + [("合计", box(2, 41, 103, 62))]
    assert character_errors(TRUTH, found, 0) == (2, 10)


def test_a_missing_line_counts_in_full() -> None:
    assert character_errors(TRUTH, [("牛奶3", LEFT), ("合计", BELOW)], 0) == (5, 10)


def test_the_right_text_in_the_wrong_place_is_wrong_twice() -> None:
    assert character_errors(TRUTH[2:], [("合计", box(0, 200, 100, 220))], 0) == (4, 2)


def test_neighbouring_lines_that_touch_stay_apart() -> None:
    # "计合" under a grown box must not be taken together with the line above.
    truth = [TextRun("甲乙", box(0, 0, 100, 20)), TextRun("丙丁", box(0, 22, 100, 42))]
    found = [("甲乙丙", box(-3, -4, 103, 24)), ("丁", box(-3, 18, 103, 46))]
    assert character_errors(truth, found, 0) == (2, 4)


@pytest.mark.parametrize(("truth", "found"), [([], []), ([], [("", LEFT)])])
def test_nothing_on_nothing_is_no_error(
    truth: list[TextRun], found: list[tuple[str, Quad]]
) -> None:
    assert character_errors(truth, found, 0) == (0, 0)


def test_without_truth_every_found_character_is_an_error() -> None:
    assert character_errors([], [("甲 乙", LEFT), ("丙", BELOW)], 90) == (3, 0)


def drawn_page() -> Page:
    page = Page.blank((900, 600))
    for row in range(6):
        for column in range(3):
            text = f"第{row}行{column}列"
            page.write((60 + column * 280, 60 + row * 80), text, Style(36))
    return page


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_a_turned_page_is_read_in_the_order_of_the_upright_one(angle: int) -> None:
    page = turned(drawn_page(), angle)
    rows = [page.runs[at : at + 3] for at in range(0, 18, 3)]
    merged = [("".join(run.text for run in row), around(row)) for row in rows]
    assert character_errors(page.runs, merged, angle) == (0, 18 * 5)


def around(runs: list[TextRun]) -> Quad:
    xs = [x for run in runs for x, _ in run.quad]
    ys = [y for run in runs for _, y in run.quad]
    return box(min(xs), min(ys), max(xs), max(ys))


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
@pytest.mark.parametrize("tilt", [-6.0, 6.0])
def test_rows_of_a_tilted_page_stay_apart(tilt: float, angle: int) -> None:
    page = laid_on(Page.blank((1200, 900)).image, drawn_page(), tilt)
    page = turned(page, angle)
    rows = [page.runs[at : at + 3] for at in range(0, 18, 3)]
    # One quad from the first cell's left end to the last cell's right end.
    merged = [
        (
            "".join(run.text for run in row),
            (row[0].quad[0], row[-1].quad[1], row[-1].quad[2], row[0].quad[3]),
        )
        for row in rows
    ]
    assert character_errors(page.runs, merged, angle) == (0, 18 * 5)


def test_width_and_whitespace_do_not_count() -> None:
    assert folded("￥１２：３０ \u3000ＡＢ\n，") == "¥12:30AB,"


@pytest.mark.parametrize(
    ("first", "second", "errors"),
    [("", "", 0), ("", "ab", 2), ("abc", "", 3), ("kitten", "sitting", 3), ("甲乙", "乙甲", 2)],
)
def test_levenshtein(first: str, second: str, errors: int) -> None:
    assert levenshtein(first, second) == errors
    assert levenshtein(second, first) == errors


def test_overlap_is_the_covered_share_of_the_smaller() -> None:
    assert overlap(box(0, 0, 10, 10), box(5, 0, 25, 10)) == pytest.approx(0.5)
    assert overlap(box(0, 0, 10, 10), box(-5, -5, 25, 25)) == pytest.approx(1)
    assert overlap(box(0, 0, 10, 10), box(10, 0, 20, 10)) == pytest.approx(0)
    assert overlap(box(0, 0, 10, 10), box(3, 3, 3, 3)) == 0
    # A diamond in a square, and the order of corners reversed.
    diamond = ((5.0, 0.0), (10.0, 5.0), (5.0, 10.0), (0.0, 5.0))
    assert overlap(diamond[::-1], box(0, 0, 5, 10)) == pytest.approx(0.5)


def test_the_image_and_its_quads_turn_the_same_way() -> None:
    for angle in (0, 90, 180, 270):
        page = turned(laid_on(Page.blank((800, 700)).image, drawn_page(), 4.0), angle)
        for run in page.runs:
            (x0, y0), (x1, y1), *_ = run.quad
            slope = math.degrees(math.atan2(y1 - y0, x1 - x0)) % 360
            assert slope == pytest.approx(angle + 4.0)
            xs, ys = [x for x, _ in run.quad], [y for _, y in run.quad]
            inside = page.image.crop((int(min(xs)), int(min(ys)), int(max(xs)), int(max(ys))))
            assert np.asarray(inside).min() < 120

"""One decision for all lines that lie, and one for all that stand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from immich_aio.engines.ocr.orientation import (
    CLASSIFIER_WIDTH,
    WITNESSES,
    better_start,
    classifier_crop,
    grouped,
    turn,
    witnesses,
)
from immich_aio.engines.ocr.spelling import Reading

Corners = NDArray[np.float32]


def boxes(*sizes: tuple[float, float]) -> Corners:
    """Upright boxes of these widths and heights."""
    return np.array([[[0, 0], [w, 0], [w, h], [0, h]] for w, h in sizes], np.float32)


def test_lines_are_sorted_by_the_direction_in_which_they_are_long() -> None:
    groups = grouped(boxes((100, 20), (20, 100), (22, 20)))
    assert groups.lying.tolist() == [True, False, False]
    assert groups.standing.tolist() == [False, True, False]
    assert groups.short.tolist() == [False, False, True]
    assert groups.lengths.tolist() == [100, 100, 22]


def test_a_single_digit_among_lines_shows_no_direction_though_it_is_higher_than_wide() -> None:
    groups = grouped(boxes((200, 30), (180, 30), (12, 28)))
    assert groups.short.tolist() == [False, False, True]


def test_short_boxes_go_with_the_larger_group() -> None:
    larger = grouped(boxes((100, 20), (20, 300), (20, 20))).larger
    assert larger is not None
    assert larger.tolist() == [False, True, False]
    assert grouped(boxes((20, 20), (22, 20))).larger is None


def test_turning_starts_at_another_corner_and_keeps_the_sense() -> None:
    (box,) = turn(boxes((10, 4)), np.array([1]))
    assert box.tolist() == [[10, 0], [10, 4], [0, 4], [0, 0]]


def test_witnesses_are_neither_the_longest_nor_the_shortest() -> None:
    lengths = [(40, 20), (120, 20), (125, 20), (115, 20), (2000, 20)]
    chosen = witnesses(boxes(*lengths))
    assert sorted(chosen[:, 1, 0].tolist()) == [115, 120, 125]
    assert len(chosen) == WITNESSES


def test_witnesses_of_standing_lines_count_by_their_length_too() -> None:
    chosen = witnesses(boxes((20, 40), (20, 120), (20, 125), (20, 115), (20, 2000)))
    assert sorted(chosen[:, 2, 1].tolist()) == [115, 120, 125]


def marks(first: Sequence[Reading], second: Sequence[Reading]) -> int:
    """Which start wins where the lines read so from the first, and so from the second."""
    asked: list[Corners] = []

    def read(lines: Sequence[Corners]) -> list[Reading]:
        asked.extend(lines)
        return [*first, *second]

    lines = boxes(*[(100, 20)] * len(first))
    found = better_start(lines, (0, 2), read)
    assert asked[0].tolist() == lines[0].tolist()
    assert asked[len(first)].tolist() == np.roll(lines[0], 2, axis=0).tolist()
    return found


def test_the_start_wins_from_which_lines_read_better() -> None:
    good, bad = Reading("清晨的阳光", 0.98), Reading("Hnn", 0.5)
    assert marks([good, good], [bad, bad]) == 0
    assert marks([bad, bad], [good, good]) == 2
    assert marks([bad, good, bad], [good, bad, good]) == 2


def test_where_nothing_can_be_read_the_first_start_stays() -> None:
    nothing = Reading("", 0.0)
    assert marks([nothing], [nothing]) == 0


@pytest.mark.parametrize("size", [(30, 20), (100, 20), (5000, 20), (20, 100), (4, 4)])
def test_every_line_fits_the_classifier(size: tuple[float, float]) -> None:
    page = np.full((200, 200, 3), 255, np.uint8)
    assert classifier_crop(page, boxes(size)[0]).shape == (48, CLASSIFIER_WIDTH, 3)

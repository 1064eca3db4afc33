"""Which crops are read together, and how wide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_aio.engines.ocr.crops import LINE_HEIGHT, OVERLAP
from immich_aio.engines.ocr.input_shapes import ON_CPU, ON_CUDA
from immich_aio.engines.ocr.recogniser import (
    MAX_WIDTH,
    MIN_WIDTH,
    cut,
    input_width,
    plan_batches,
)

WIDTHS = st.lists(st.integers(1, 30).map(lambda cells: cells * 64), max_size=60)


@given(WIDTHS, st.integers(1, 16))
def test_every_crop_is_in_exactly_one_batch(widths: list[int], most: int) -> None:
    batches = plan_batches(widths, most)
    assert sorted(index for batch in batches for index in batch) == list(range(len(widths)))


@given(WIDTHS, st.integers(1, 16))
def test_a_batch_has_one_width_and_no_more_than_the_most(widths: list[int], most: int) -> None:
    for batch in plan_batches(widths, most):
        assert 1 <= len(batch) <= most
        assert len({widths[index] for index in batch}) == 1


@given(WIDTHS, st.integers(1, 16))
def test_the_widest_come_first(widths: list[int], most: int) -> None:
    firsts = [widths[batch[0]] for batch in plan_batches(widths, most)]
    assert firsts == sorted(firsts, reverse=True)


@given(st.integers(1, MAX_WIDTH), st.sampled_from([ON_CPU.line, ON_CUDA.line]))
def test_input_widths_hold_the_crop_and_are_few(width: int, step: int) -> None:
    found = input_width(width, step)
    assert max(width, MIN_WIDTH) <= found <= max(MIN_WIDTH, width + step - 1)
    assert found % step == 0


@pytest.mark.parametrize(
    ("length", "height", "pieces"),
    [(1, 48, 1), (1920, 48, 1), (1921, 48, 2), (5000, 48, 3), (9000, 480, 1), (30_000, 20, 40)],
)
def test_a_line_of_any_length_is_cut_to_what_the_recogniser_reads(
    length: int, height: int, pieces: int
) -> None:
    page = np.full((height, length, 3), 255, np.uint8)
    corners = np.array([[0, 0], [length, 0], [length, height], [0, height]], np.float32)
    found = cut(page, corners)
    assert len(found) == pieces
    assert all(piece.pixels.shape[0] == LINE_HEIGHT for piece in found)
    assert all(1 <= piece.pixels.shape[1] <= MAX_WIDTH for piece in found)
    assert all(piece.pixels.shape[1] > OVERLAP for piece in found[1:])

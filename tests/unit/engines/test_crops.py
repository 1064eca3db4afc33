"""Lines are cut out upright at one height, and long ones in pieces that overlap."""

from __future__ import annotations

import math
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from immich_aio.engines.ocr.crops import (
    LINE_HEIGHT,
    MID_GREY,
    OVERLAP,
    Pixels,
    cut_line,
    in_pieces,
    line_width,
    padded,
)


def box(
    left: float, top: float, width: float, height: float, degrees: float = 0.0
) -> NDArray[np.float32]:
    """Corners, clockwise from the top left, of a box turned around that corner."""
    angle = math.radians(degrees)
    along = np.array([math.cos(angle), math.sin(angle)]) * width
    down = np.array([-math.sin(angle), math.cos(angle)]) * height
    start = np.array([left, top])
    return np.array([start, start + along, start + along + down, start + down], np.float32)


def soft_noise(height: int, width: int) -> Pixels:
    """A pattern that is nowhere the same and survives being resampled."""
    values = np.random.default_rng(11).integers(0, 256, (height, width, 3), np.uint8)
    soft = cv2.GaussianBlur(values, (0, 0), 3)
    return np.asarray(cv2.normalize(soft, soft, 0, 255, cv2.NORM_MINMAX), np.uint8)


def apart(one: Pixels, other: Pixels) -> float:
    """The mean difference of two pictures, in grey levels."""
    return float(np.abs(one.astype(float) - other).mean())


@pytest.mark.parametrize(
    ("width", "height", "expected"), [(480, 48, 480), (480, 24, 960), (100, 200, 24)]
)
def test_a_line_is_as_wide_as_its_shape_asks_for(
    width: float, height: float, expected: float
) -> None:
    assert line_width(box(10, 10, width, height)) == pytest.approx(expected)
    assert line_width(box(10, 10, width, height, 30)) == pytest.approx(expected, rel=1e-5)


def test_a_box_without_any_height_still_has_a_finite_width() -> None:
    assert math.isfinite(line_width(box(0, 0, 100, 0)))


@pytest.mark.parametrize("degrees", [-35, -8, 0, 13, 40, 90, 180])
def test_a_tilted_line_comes_out_straight(degrees: float) -> None:
    line = soft_noise(LINE_HEIGHT, 300)
    corners = box(400, 400, 300, LINE_HEIGHT, degrees)
    flat = box(0, 0, 300, LINE_HEIGHT)
    turn = cv2.getPerspectiveTransform(flat, corners)
    page = np.asarray(cv2.warpPerspective(line, turn, (800, 800)), np.uint8)
    straight = cut_line(page, corners, 300)[3:-3, 3:-3]
    assert straight.shape == (LINE_HEIGHT - 6, 294, 3)
    assert apart(straight, line[3:-3, 3:-3]) < 3
    assert apart(straight, np.roll(line, 3, axis=1)[3:-3, 3:-3]) > 9


def test_corners_that_start_bottom_right_turn_the_line_over() -> None:
    line = soft_noise(LINE_HEIGHT, 200)
    corners = np.roll(box(0, 0, 200, LINE_HEIGHT), 2, axis=0)
    over = cut_line(line, corners, 200)
    assert apart(over, line[::-1, ::-1]) < 0.3 * apart(over, line)


def test_a_tall_line_is_averaged_down_and_keeps_its_thin_strokes() -> None:
    page = np.full((600, 900, 3), 255, np.uint8)
    page[:, ::30] = 0
    crop = cut_line(page, box(0, 0, 900, 600), 72)
    assert crop.shape == (LINE_HEIGHT, 72, 3)
    assert crop.mean() == pytest.approx(page.mean(), abs=2)


def test_beyond_the_image_its_edge_goes_on() -> None:
    page = np.full((40, 100, 3), 200, np.uint8)
    assert (cut_line(page, box(60, -10, 100, 60), 80) == 200).all()


@pytest.mark.parametrize("shape", [(60, 40_000), (40_000, 60)])
def test_lines_at_the_far_end_of_a_very_long_image_are_cut_too(shape: tuple[int, int]) -> None:
    line = soft_noise(48, 48)
    page = np.zeros((*shape, 3), np.uint8)
    top, left = shape[0] - 52, shape[1] - 52
    page[top : top + 48, left : left + 48] = line
    assert apart(cut_line(page, box(left, top, 48, 48), 48), line) < 2


def test_a_crop_is_padded_in_grey_at_its_right() -> None:
    crop = soft_noise(LINE_HEIGHT, 100)
    strip = padded(crop, 128)
    assert strip.shape == (LINE_HEIGHT, 128, 3)
    assert (strip[:, :100] == crop).all()
    assert (strip[:, 100:] == MID_GREY).all()
    assert padded(crop, 100) is crop


@given(st.integers(1, 6000), st.integers(OVERLAP + 1, 2500))
def test_the_pieces_of_a_line_are_the_line(width: int, most: int) -> None:
    crop = np.arange(width, dtype=np.uint16).view(np.uint8).reshape(1, width, 2)
    pieces = in_pieces(crop, most)
    again: NDArray[np.uint8] = crop[:, :0]
    for piece in pieces:
        assert 0 < piece.pixels.shape[1] <= most
        assert piece.right == piece.left + piece.pixels.shape[1]
        again = np.concatenate([again[:, : piece.left], piece.pixels], axis=1)
    assert (again == crop).all()


@given(st.integers(1, 20_000), st.integers(OVERLAP + 1, 2500))
def test_neighbouring_pieces_share_the_overlap_and_a_short_line_is_one_piece(
    width: int, most: int
) -> None:
    pieces = in_pieces(np.zeros((1, width, 3), np.uint8), most)
    for left, right in pairwise(pieces):
        assert left.right - right.left == OVERLAP
    assert (len(pieces) == 1) == (width <= most)

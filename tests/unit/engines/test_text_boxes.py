"""A probability map becomes boxes around its blobs, moved out by DB's rule."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from immich_aio.engines.ocr.text_boxes import MAX_BOXES, UNCLIP_RATIO, TextBoxes, boxes_of

Map = NDArray[np.float32]
HEIGHT, WIDTH = 320, 480


def blank(height: int = HEIGHT, width: int = WIDTH) -> Map:
    return np.zeros((height, width), np.float32)


def with_rectangle(
    left: int, top: int, width: int, height: int, value: float = 0.9, on: Map | None = None
) -> Map:
    found = blank() if on is None else on
    found[top : top + height, left : left + width] = value
    return found


def reach(width: float, height: float) -> float:
    """How far DB moves each side out."""
    return width * height * UNCLIP_RATIO / (2 * (width + height))


def found_in(probability: Map, min_score: float = 0.5, stretch: int = 1) -> TextBoxes:
    rows, columns = probability.shape
    return boxes_of(probability, columns * stretch, rows * stretch, min_score)


def test_a_blob_becomes_a_box_moved_out_on_all_sides() -> None:
    boxes = found_in(with_rectangle(100, 60, 200, 30))
    by = reach(200, 30)
    expected = [[100 - by, 60 - by], [300 + by, 60 - by], [300 + by, 90 + by], [100 - by, 90 + by]]
    assert len(boxes) == 1
    np.testing.assert_allclose(boxes.corners[0], expected, atol=1)
    assert boxes.scores[0] == pytest.approx(0.9, abs=0.05)


def test_boxes_are_in_pixels_of_the_image_whatever_the_size_of_the_map() -> None:
    small = found_in(with_rectangle(100, 60, 200, 30))
    large = boxes_of(with_rectangle(100, 60, 200, 30), WIDTH * 4, HEIGHT * 2, 0.5)
    np.testing.assert_allclose(large.corners, small.corners * [4, 2], atol=4)


@pytest.mark.parametrize("degrees", [-40, -12, 7, 25, 44])
def test_a_tilted_blob_becomes_a_tilted_box_whose_corners_start_top_left(degrees: float) -> None:
    angle = math.radians(degrees)
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-math.sin(angle), math.cos(angle)])

    def corners(width: float, height: float) -> NDArray[np.float64]:
        sides = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
        return np.array(
            [along * width / 2 * x + across * height / 2 * y + [240, 160] for x, y in sides]
        )

    probability = blank()
    cv2.fillPoly(probability, [np.round(corners(180, 24)).astype(np.int32)], 0.95)
    boxes = found_in(probability)
    by = 2 * reach(180, 24)
    assert len(boxes) == 1
    np.testing.assert_allclose(boxes.corners[0], corners(180 + by, 24 + by), atol=6)


def test_a_standing_blob_starts_at_the_top_of_its_left_side() -> None:
    (a, b, c, d) = found_in(with_rectangle(200, 40, 24, 200)).corners[0]
    assert a[0] == d[0] < b[0] == c[0]
    assert a[1] == b[1] < c[1] == d[1]
    assert d[1] - a[1] > b[0] - a[0]


def test_an_empty_map_has_no_boxes() -> None:
    boxes = found_in(blank())
    assert len(boxes) == 0
    assert boxes.corners.shape == (0, 4, 2)
    assert boxes.scores.shape == (0,)


def test_a_map_below_the_threshold_has_no_boxes_even_for_a_score_of_zero() -> None:
    assert len(found_in(with_rectangle(100, 60, 200, 30, 0.29), min_score=0.0)) == 0


def test_boxes_at_the_borders_stay_within_the_image() -> None:
    probability = with_rectangle(0, 0, 100, 30)
    with_rectangle(WIDTH - 90, HEIGHT - 25, 90, 25, on=probability)
    with_rectangle(0, HEIGHT - 60, 20, 60, on=probability)
    boxes = found_in(probability, stretch=3)
    assert len(boxes) == 3
    assert boxes.corners.min() == 0
    assert boxes.corners[:, :, 0].max() == WIDTH * 3 - 1
    assert boxes.corners[:, :, 1].max() == HEIGHT * 3 - 1


def test_a_map_that_is_text_all_over_is_one_box_over_the_image() -> None:
    boxes = found_in(np.ones((64, 128), np.float32))
    np.testing.assert_array_equal(boxes.corners, [[[0, 0], [127, 0], [127, 63], [0, 63]]])


def test_a_box_less_sure_than_the_minimum_is_dropped() -> None:
    probability = with_rectangle(40, 40, 120, 24, 0.9)
    with_rectangle(40, 200, 120, 24, 0.6, on=probability)
    assert len(found_in(probability, min_score=0.5)) == 2
    (only,) = found_in(probability, min_score=0.7).corners
    assert only[:, 1].max() < 100
    assert len(found_in(probability, min_score=0.95)) == 0


@pytest.mark.parametrize("thickness", [1, 2])
def test_hairlines_are_no_text(thickness: int) -> None:
    probability = with_rectangle(20, 50, 400, thickness)
    with_rectangle(50, 100, thickness, 200, on=probability)
    assert len(found_in(probability)) == 0


def test_what_shrinks_to_a_sliver_in_the_image_is_no_text() -> None:
    assert len(boxes_of(with_rectangle(20, 50, 400, 20), WIDTH * 4, 3, 0.5)) == 0


def test_text_in_a_frame_is_found_and_the_hole_of_the_frame_is_not() -> None:
    probability = with_rectangle(100, 60, 280, 200)
    with_rectangle(120, 80, 240, 160, 0.0, on=probability)
    with_rectangle(180, 140, 120, 30, on=probability)
    boxes = found_in(probability, min_score=0.0)
    widths = sorted(float(box[1, 0] - box[0, 0]) for box in boxes.corners)
    assert len(boxes) == 2
    assert widths[0] == pytest.approx(120 + 2 * reach(120, 30), abs=2)
    assert widths[1] > 280


def test_of_too_many_blobs_the_largest_stay_wherever_they_are() -> None:
    """A starry sky must not cost the headline above it."""
    probability = blank(700, 900)
    for row in range(35):
        for column in range(40):
            with_rectangle(column * 20 + 4, row * 18 + 64, 6, 6, on=probability)
    with_rectangle(60, 10, 500, 30, on=probability)
    boxes = found_in(probability)
    assert len(boxes) == MAX_BOXES
    assert (boxes.corners[:, 1, 0] - boxes.corners[:, 0, 0]).max() > 500

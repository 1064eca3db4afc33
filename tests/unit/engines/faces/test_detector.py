"""What SCRFD's numbers mean, and that every face is kept once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from immich_aio.engines.faces.detector import (
    MOST_FACES,
    OVERLAP,
    SIDE,
    STRIDES,
    Detections,
    Detector,
    anchors,
    decoded,
    letterboxed,
    suppressed,
    to_tensor,
)

Outputs = list[NDArray[np.float32]]
promise = settings(deadline=None)


def nothing() -> Outputs:
    """What the network says of a picture without faces."""
    counts = [(SIDE // stride) ** 2 * 2 for stride in STRIDES]
    return [np.zeros((count, width), np.float32) for width in (1, 4, 10) for count in counts]


def say(outputs: Outputs, level: int, at: tuple[int, int, int], score: float) -> None:
    """Have an anchor, number ``at[2]`` at column and row of a grid, see a face."""
    column, row, number = at
    index = (row * (SIDE // STRIDES[level]) + column) * 2 + number
    outputs[level][index] = score
    outputs[3 + level][index] = (1, 2, 3, 4)
    outputs[6 + level][index] = np.arange(10) / 10


# ---- The picture as the network sees it


@pytest.mark.parametrize(
    ("size", "shown", "scale"),
    [
        ((1440, 1080), (640, 480), 4 / 9),
        ((1080, 1440), (480, 640), 4 / 9),
        ((640, 640), (640, 640), 1),
        ((320, 100), (640, 200), 2),
        ((999, 1000), (639, 640), 0.64),
        ((3000, 1), (640, 1), 1),
        ((1, 3000), (1, 640), 640 / 3000),
    ],
)
def test_a_picture_keeps_its_shape_at_the_top_left_of_black(
    size: tuple[int, int], shown: tuple[int, int], scale: float
) -> None:
    width, height = size
    square, found = letterboxed(np.full((height, width, 3), 200, np.uint8))
    assert square.shape == (SIDE, SIDE, 3)
    assert (square[: shown[1], : shown[0]] == 200).all()
    assert square.sum() == 200 * 3 * shown[0] * shown[1]
    assert found == pytest.approx(scale)


def test_pixels_are_planes_around_zero_red_first() -> None:
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    square[0, 1] = (255, 128, 0)
    tensor = to_tensor(square)
    assert (tensor.shape, tensor.dtype) == ((1, 3, SIDE, SIDE), np.float32)
    np.testing.assert_allclose(tensor[0, :, 0, 1], [127.5 / 128, 0.5 / 128, -127.5 / 128])


# ---- What anchors say


def test_anchors_stand_at_the_corners_of_their_places_row_by_row_two_by_two() -> None:
    assert anchors(32)[:6].tolist() == [[0, 0], [0, 0], [32, 0], [32, 0], [64, 0], [64, 0]]
    assert anchors(8)[160].tolist() == [0, 8]
    assert [len(anchors(stride)) for stride in STRIDES] == [12800, 3200, 800]


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("batched", [False, True])
def test_distances_are_in_strides_from_the_anchor_and_then_in_pixels_of_the_picture(
    level: int, number: int, batched: bool
) -> None:
    outputs = nothing()
    say(outputs, level, (5, 3, number), 0.75)
    if batched:  # as some exports have it
        outputs = [output[None] for output in outputs]
    found = decoded(outputs, 0.5, scale=0.5)
    stride = STRIDES[level]
    x, y = 5 * stride, 3 * stride
    box = [x - stride, y - 2 * stride, x + 3 * stride, y + 4 * stride]
    np.testing.assert_allclose(found.boxes, [np.array(box) * 2])
    np.testing.assert_allclose(found.scores, [0.75])
    points = np.array([[0, 0.1], [0.2, 0.3], [0.4, 0.5], [0.6, 0.7], [0.8, 0.9]]) * stride + [x, y]
    np.testing.assert_allclose(found.landmarks, [points * 2], rtol=1e-6)


def test_the_threshold_itself_is_enough() -> None:
    outputs = nothing()
    say(outputs, 0, (1, 1, 0), 0.5)
    say(outputs, 1, (1, 1, 0), 0.4999)
    assert len(decoded(outputs, 0.5, 1)) == 1


def test_a_picture_without_faces_has_none() -> None:
    found = decoded(nothing(), 0.5, 1)
    assert (found.boxes.shape, found.landmarks.shape) == ((0, 4), (0, 5, 2))
    assert len(suppressed(found)) == 0


# ---- Every face once


def detections(boxes: list[tuple[float, float, float, float]]) -> Detections:
    """Of falling scores."""
    array = np.array(boxes, np.float32).reshape(-1, 4)
    scores = np.linspace(0.9, 0.5, len(boxes), dtype=np.float32)
    return Detections(array, scores, np.zeros((len(boxes), 5, 2), np.float32))


def test_of_two_that_share_most_of_their_area_the_surer_is_kept() -> None:
    kept = suppressed(detections([(0, 0, 99, 99), (10, 0, 109, 99), (200, 0, 299, 99)]))
    assert kept.boxes[:, 0].tolist() == [0, 200]
    np.testing.assert_allclose(kept.scores, [0.9, 0.5])


def test_exactly_the_limit_is_not_too_much() -> None:
    """100 pixels and 40 of them shared by both: 40 of 100."""
    assert len(suppressed(detections([(0, 0, 69, 0), (30, 0, 99, 0)]))) == 2
    assert len(suppressed(detections([(0, 0, 69, 0), (29, 0, 98, 0)]))) == 1


def test_who_is_suppressed_suppresses_nobody() -> None:
    chain = [(at * 30.0, 0.0, at * 30.0 + 99, 99.0) for at in range(3)]
    assert suppressed(detections(chain)).boxes[:, 0].tolist() == [0, 60]


corner = st.integers(0, 60)
side = st.integers(1, 60)


@promise
@given(st.lists(st.tuples(corner, corner, side, side), max_size=12))
def test_what_is_kept_is_what_comparing_one_by_one_keeps(
    rectangles: list[tuple[int, int, int, int]],
) -> None:
    boxes = [(float(x), float(y), float(x + w), float(y + h)) for x, y, w, h in rectangles]
    kept: list[tuple[float, float, float, float]] = []
    for box in boxes:
        if all(_overlap(box, other) <= OVERLAP for other in kept):
            kept.append(box)
    assert suppressed(detections(boxes)).boxes.tolist() == [list(box) for box in kept]


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0]) + 1
    height = min(one[3], other[3]) - max(one[1], other[1]) + 1
    shared = max(0, width) * max(0, height)
    areas = [(x2 - x1 + 1) * (y2 - y1 + 1) for x1, y1, x2, y2 in (one, other)]
    return shared / (sum(areas) - shared)


class _SeesFacesEverywhere:
    """A session of a network that sees a small face at every place of the finest grid."""

    def run_all(self, _batch: object) -> Outputs:
        outputs = nothing()
        outputs[0][::2] = np.linspace(0.99, 0.6, 6400, dtype=np.float32)[:, None]
        outputs[3][:] = 0.25
        return outputs

    def run(self, batch: object) -> NDArray[np.float32]:
        return self.run_all(batch)[0]


def test_of_thousands_of_faces_the_surest_thousand_are_used(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = Detector(_SeesFacesEverywhere()).find(np.zeros((64, 64, 3), np.uint8), 0.5)
    assert len(found) == MOST_FACES
    assert found.scores[0] == pytest.approx(0.99)
    assert (np.diff(found.scores) <= 0).all()
    assert "6400 faces in one image" in caplog.text

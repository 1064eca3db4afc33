"""From the detector's probability map to boxes: the post-processing of DB.

Differentiable Binarization (Liao et al., 2020): threshold the map, take each connected blob's
smallest rotated rectangle, and move its sides out by area × ratio ÷ perimeter, because the network
was trained on shrunken text areas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Corners = NDArray[np.float32]

PIXEL_THRESHOLD = 0.3
UNCLIP_RATIO = 1.6
MAX_BOXES = 1000
MIN_SIDE = 3
"""The three thresholds are those that PP-OCR's detectors are published with."""


@dataclass(frozen=True, slots=True)
class TextBoxes:
    """``corners`` (n, 4, 2) in pixels, clockwise from the top left; ``scores`` (n,) in 0…1."""

    corners: NDArray[np.float32]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)


def boxes_of(
    probability: NDArray[np.float32], width: int, height: int, min_score: float
) -> TextBoxes:
    """Boxes of a probability map of shape (rows, columns) over an image of width × height pixels.

    ``min_score`` in 0…1 drops boxes whose mean probability is lower.
    """
    corners: list[Corners] = []
    scores: list[float] = []
    for contour in _contours(probability):
        centre, (across, down), angle = cv2.minAreaRect(contour)
        if min(across, down) < MIN_SIDE:
            continue
        score = _mean_inside(probability, _corners_of(centre, across, down, angle))
        if score < min_score:
            continue
        reach = across * down * UNCLIP_RATIO / (2 * (across + down))
        corners.append(_corners_of(centre, across + 2 * reach, down + 2 * reach, angle))
        scores.append(score)
    if not corners:
        return TextBoxes(np.zeros((0, 4, 2), np.float32), np.zeros(0, np.float32))
    rows, columns = probability.shape
    scaled = np.stack(corners) * np.array([width / columns, height / rows])
    clipped = np.clip(np.round(scaled), 0, [width - 1, height - 1]).astype(np.float32)
    return _without_slivers(_clockwise(clipped), np.array(scores, np.float32))


def _contours(probability: NDArray[np.float32]) -> Sequence[NDArray[Any]]:
    mask = (probability > PIXEL_THRESHOLD).astype(np.uint8)
    mask = np.asarray(cv2.dilate(mask, np.ones((2, 2), np.uint8)), np.uint8)
    contours, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return []  # and then there is no hierarchy either
    # Two levels: blobs, whose parent is -1, and their holes, where no text is.
    blobs = [contour for contour, of in zip(contours, hierarchy[0], strict=True) if of[3] < 0]
    if len(blobs) <= MAX_BOXES:
        return blobs
    # They come from the bottom up; the first so many would be a page without its head.
    return sorted(blobs, key=_extent, reverse=True)[:MAX_BOXES]


def _extent(contour: NDArray[Any]) -> int:
    _, _, width, height = cv2.boundingRect(contour)
    return width * height


def _corners_of(centre: Sequence[float], across: float, down: float, angle: float) -> Corners:
    """The four corners of a rotated rectangle, shape (4, 2)."""
    rectangle = ((centre[0], centre[1]), (across, down), angle)
    return np.asarray(cv2.boxPoints(rectangle), np.float32)


def _mean_inside(probability: NDArray[np.float32], box: Corners) -> float:
    rows, columns = probability.shape
    left, top = np.clip(np.floor(box.min(axis=0)), 0, [columns - 1, rows - 1]).astype(int)
    right, bottom = np.clip(np.ceil(box.max(axis=0)), 0, [columns - 1, rows - 1]).astype(int)
    mask = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    cv2.fillPoly(mask, [(box - [left, top]).astype(np.int32)], 1)
    return float(cv2.mean(probability[top : bottom + 1, left : right + 1], mask)[0])


def _clockwise(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each box's corners clockwise from its top left, the upper of the two leftmost."""
    by_x = np.take_along_axis(corners, np.argsort(corners[:, :, :1], axis=1), axis=1)
    left = np.take_along_axis(by_x[:, :2], np.argsort(by_x[:, :2, 1:], axis=1), axis=1)
    right = np.take_along_axis(by_x[:, 2:], np.argsort(by_x[:, 2:, 1:], axis=1), axis=1)
    return np.stack([left[:, 0], right[:, 0], right[:, 1], left[:, 1]], axis=1)


def _without_slivers(corners: NDArray[np.float32], scores: NDArray[np.float32]) -> TextBoxes:
    across = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1)
    down = np.linalg.norm(corners[:, 0] - corners[:, 3], axis=1)
    kept = (across > MIN_SIDE) & (down > MIN_SIDE)
    return TextBoxes(corners[kept], scores[kept])

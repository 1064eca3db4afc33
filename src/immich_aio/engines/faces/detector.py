"""Finding faces by SCRFD: boxes, scores and five points each, in pixels of the picture.

As InsightFace does it, for what it finds and how it is cut out decides whether Immich's people stay
together: the picture is shrunk (or enlarged) to fit 640 × 640, put at the top left of black, and
every place of three grids has two anchors that say how sure they are and how far it is to the edges
and points of the face around them.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from immich_aio.engines.sessions import Session, Tensor

Pixels = NDArray[np.uint8]

SIDE = 640
"""Pixels of a side of what the detector sees; Immich's own server has the same."""

STRIDES = (8, 16, 32)
ANCHORS = 2
WIDTHS = (1, 4, 10)
"""Numbers an anchor has: its score, the distances of four edges, and of five points (x, y)."""

MIDDLE, RANGE = 127.5, 128.0
"""What is taken from a pixel's values, and what they are then divided by."""

OVERLAP = 0.4
"""Of two faces that share more of their common area than this, the surer one is kept."""

MOST_FACES = 1000
"""So many of a picture's faces are used, the surest: more are not told apart at 640 pixels."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Faces of one picture, the surest first.

    ``boxes`` (faces, 4) are x1, y1, x2, y2; ``scores`` (faces,) lie in 0…1; ``landmarks``
    (faces, 5, 2) are eyes, nose and the corners of the mouth.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)

    def only(self, which: NDArray[np.intp] | slice) -> Detections:
        """Some of them, in the order that ``which`` gives."""
        return Detections(self.boxes[which], self.scores[which], self.landmarks[which])


class Detector:
    """SCRFD over one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, pixels: Pixels, min_score: float) -> Detections:
        """All faces whose score is at least ``min_score``; pixels are red-green-blue."""
        shown, scale = letterboxed(pixels)
        outputs = self._session.run_all(to_tensor(shown))
        found = decoded(outputs, min_score, scale)
        order = np.argsort(-found.scores, kind="stable")
        kept = suppressed(found.only(order))
        if len(kept) > MOST_FACES:
            log.warning("%d faces in one image: the surest %d are used", len(kept), MOST_FACES)
        return kept.only(slice(MOST_FACES))


def letterboxed(pixels: Pixels) -> tuple[Pixels, float]:
    """The picture in a square of SIDE, and how many pixels of it one of the picture became."""
    height, width = pixels.shape[:2]
    if height > width:
        size = (max(1, int(SIDE / (height / width))), SIDE)
    else:
        size = (SIDE, max(1, int(SIDE * (height / width))))
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    square[: size[1], : size[0]] = cv2.resize(pixels, size)
    return square, size[1] / height


def to_tensor(square: Pixels) -> Tensor:
    """What the network takes: one picture of three planes around 0."""
    blob = cv2.dnn.blobFromImage(square, scalefactor=1 / RANGE, mean=(MIDDLE,) * 3)
    return np.asarray(blob, np.float32)


def decoded(outputs: Sequence[Tensor], min_score: float, scale: float) -> Detections:
    """Every anchor that is sure enough, in pixels of the picture; many for each face."""
    grids = len(STRIDES)
    parts = []
    for level, stride in enumerate(STRIDES):
        scores, edges, points = (
            outputs[level + kind * grids].reshape(-1, width) for kind, width in enumerate(WIDTHS)
        )
        sure = np.flatnonzero(scores[:, 0] >= min_score)
        corners = anchors(stride)[sure]
        away = edges[sure] * stride
        boxes = np.hstack([corners - away[:, :2], corners + away[:, 2:]])
        landmarks = corners[:, None] + points[sure].reshape(-1, 5, 2) * stride
        parts.append((boxes / scale, scores[sure, 0], landmarks / scale))
    return Detections(*(np.concatenate(each) for each in zip(*parts, strict=True)))


@functools.cache
def anchors(stride: int) -> NDArray[np.float32]:
    """Where the anchors of one grid stand (x, y), row by row, two at each place."""
    places = np.arange(0, SIDE, stride, dtype=np.float32)
    y, x = np.meshgrid(places, places, indexing="ij")
    return np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2), ANCHORS, axis=0)


def suppressed(found: Detections) -> Detections:
    """One detection for each face, where they come the surest first.

    Widths and heights count both edges' pixels, as InsightFace counts them.
    """
    x1, y1, x2, y2 = found.boxes.T
    areas = (x2 - x1 + 1) * (y2 - y1 + 1)
    left = np.arange(len(found))
    kept = []
    while left.size:
        best, others = left[0], left[1:]
        kept.append(best)
        width = np.minimum(x2[best], x2[others]) - np.maximum(x1[best], x1[others]) + 1
        height = np.minimum(y2[best], y2[others]) - np.maximum(y1[best], y1[others]) + 1
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        left = others[shared <= OVERLAP * (areas[best] + areas[others] - shared)]
    return found.only(np.array(kept, np.intp))

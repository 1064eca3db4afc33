"""Cutting faces out of a picture so that eyes, nose and mouth always lie at the same places.

As InsightFace does it: the similarity (turn, scale, shift) that brings the five points nearest to a
template of 112 × 112, in the sense of least squares, then one bilinear warp over black. Vectors of
faces that are cut out otherwise do not fit those that Immich already has.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

SIDE = 112
"""Pixels of a side of what the recogniser sees."""

TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    np.float32,
).astype(np.float64)
"""ArcFace's places, in pixels: left eye, right eye, nose, left and right corner of the mouth."""


def similarities(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """For faces' points (faces, 5, 2) the matrices (faces, 2, 3) that lead to the template.

    With points as complex numbers a similarity is z → a·z + b, and least squares has the answer in
    one line. It never mirrors. Points that all coincide have none: they get a matrix of zeros
    before the shift.
    """
    points = landmarks.astype(np.float64) @ np.array([1, 1j])
    target = TEMPLATE @ np.array([1, 1j])
    middle = points.mean(axis=1, keepdims=True)
    apart = points - middle
    power = (np.abs(apart) ** 2).sum(axis=1)
    product = (apart.conj() * (target - target.mean())).sum(axis=1)
    a = np.divide(product, power, out=np.zeros_like(product), where=power > 0)
    b = target.mean() - a * middle[:, 0]
    rows = [[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]]
    return np.moveaxis(np.array(rows), -1, 0)


def aligned(pixels: Pixels, landmarks: NDArray[np.float32]) -> Iterable[Pixels]:
    """Each face's square of SIDE × SIDE pixels, one by one as they are asked for."""
    for matrix in similarities(landmarks):
        yield np.asarray(cv2.warpAffine(pixels, matrix, (SIDE, SIDE)), np.uint8)

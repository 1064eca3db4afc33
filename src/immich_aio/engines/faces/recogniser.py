"""Telling faces apart by ArcFace: squares of 112 × 112 in, vectors of length 1 out."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from immich_aio.engines.faces.alignment import Pixels
from immich_aio.engines.sessions import Session, Tensor

MIDDLE, RANGE = 127.5, 127.5
"""What is taken from a pixel's values, and what they are then divided by.

InsightFace has another case, for networks that MXNet exported; no pack of ours has one.
"""


class Recogniser:
    """ArcFace over one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def vectors(self, squares: Sequence[Pixels]) -> NDArray[np.float32]:
        """Vectors (faces, 512) of aligned faces, red-green-blue; all are one batch."""
        raw = self._session.run(to_tensor(squares)).astype(np.float64)
        lengths = np.linalg.norm(raw, axis=1, keepdims=True)
        return np.asarray(raw / np.where(lengths > 0, lengths, 1), np.float32)


def to_tensor(squares: Sequence[Pixels]) -> Tensor:
    """What the network takes: planes in -1…1."""
    blob = cv2.dnn.blobFromImages(squares, scalefactor=1 / RANGE, mean=(MIDDLE,) * 3)
    return np.asarray(blob, np.float32)

"""Pictures of drawn faces, for the networks of ``bench.face_networks``.

A face is a square of ``SIDE`` × ``SIDE`` with the five points of ArcFace's template on it, turned
and scaled into the picture. Waves of colour make its identity. A disc in its middle tells the
detector all it must know, in the colours of its pixels: red how sure to be, green and blue how far
and in which direction the face's right edge is.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

SIDE = 112
DETECTOR_SIDE = 640
REACH = 160.0
"""Pixels of the detector's input that a code of 1 stands for; see ``code_of``."""

DISC = 0.3
"""The disc's radius, in parts of the face's reach."""

FADING = 12.0
"""How much red the disc has less at its edge, so that its middle is the surest."""

TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
"""Where ArcFace wants eyes, nose and corners of the mouth, in a square of 112."""


@dataclass(frozen=True, slots=True)
class DrawnFace:
    """One face: the middle and half of a side (``reach``) in pixels of the picture.

    ``turn`` is in degrees, clockwise as seen; ``red`` (up to 255) says how sure the detector is to
    be; faces of one ``identity`` look alike.
    """

    x: float
    y: float
    reach: float
    turn: float = 0.0
    red: int = 255
    identity: int = 0

    @property
    def box(self) -> NDArray[np.float64]:
        """x1, y1, x2, y2 as the detector gives them for a face that is not turned."""
        across, along = 0.8 * self.reach, self.reach
        return np.array([self.x - across, self.y - along, self.x + across, self.y + along])

    @property
    def landmarks(self) -> NDArray[np.float64]:
        """The five points in pixels of the picture, (5, 2)."""
        return np.asarray(self.matrix @ np.c_[TEMPLATE, np.ones(5)].T).T

    @property
    def matrix(self) -> NDArray[np.float64]:
        """From the square of 112 to the picture, (2, 3)."""
        factor = self.reach / (SIDE / 2)
        a, b = (factor * part(math.radians(self.turn)) for part in (math.cos, math.sin))
        middle = (SIDE - 1) / 2
        turned = np.array([[a, -b], [b, a]])
        return np.c_[turned, np.array([self.x, self.y]) - turned @ [middle, middle]]


def letterbox_scale(width: int, height: int) -> float:
    """The factor by which the detector sees a picture smaller or larger."""
    return DETECTOR_SIDE / max(width, height)


def picture(
    width: int, height: int, faces: Sequence[DrawnFace], *, background: int | None = 0
) -> Pixels:
    """A picture (height, width, 3) with these faces; its waves depend on ``background``.

    Without one it is plain, which is drawn at once however large it is.
    """
    if background is None:
        canvas = np.full((height, width, 3), 90, np.uint8)
    else:
        canvas = _waves(width, height, background, middle=90, most=40)
    for face in faces:
        _paste(canvas, face, letterbox_scale(width, height))
    return canvas


def picture_file(pixels: Pixels, kind: str = "PNG", **options: object) -> bytes:
    """The picture as an image file."""
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, kind, **options)
    return target.getvalue()


def canonical(face: DrawnFace, scale: float) -> Pixels:
    """The face's square itself, as alignment should cut it out of a picture seen at ``scale``."""
    square = _waves(SIDE, SIDE, 100 + face.identity, middle=110, most=75)
    square[..., 0] //= 2  # little red: only the disc is to be found
    y, x = np.mgrid[0:SIDE, 0:SIDE] - (SIDE - 1) / 2
    distance = np.hypot(x, y) / (SIDE / 2 * DISC)
    disc = distance <= 1
    green, blue = code_of(face, scale)
    square[disc] = (0, green, blue)
    square[disc, 0] = np.clip(face.red - FADING * distance[disc], 0, 255).astype(np.uint8)
    return square


def code_of(face: DrawnFace, scale: float) -> tuple[int, int]:
    """Green and blue of the disc: the way to the face's right edge as the detector sees it."""
    reach = face.reach * scale / REACH
    parts = (math.cos, math.sin)
    return tuple(  # type: ignore[return-value]  # of two
        round(127.5 + 128 * reach * part(math.radians(face.turn))) for part in parts
    )


def _paste(canvas: Pixels, face: DrawnFace, scale: float) -> None:
    """Draw the face where it is, or as much of it as lies within the picture."""
    height, width = canvas.shape[:2]
    far = face.reach * 1.5 + 2
    left, top = (max(0, math.floor(at - far)) for at in (face.x, face.y))
    right = min(width, math.ceil(face.x + far))
    bottom = min(height, math.ceil(face.y + far))
    if right <= left or bottom <= top:
        return
    factor = max(1, round(face.reach / (SIDE / 2)))
    square = cv2.resize(
        canonical(face, scale), None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST
    )
    matrix = face.matrix
    # Pixel i of the square has its middle at factor · i + (factor - 1) / 2 of the enlarged one.
    matrix[:, :2] /= factor
    matrix[:, 2] -= matrix[:, :2] @ np.full(2, (factor - 1) / 2)
    matrix[:, 2] -= (left, top)
    size = (right - left, bottom - top)
    there = cv2.warpAffine(np.full(square.shape[:2], 255, np.uint8), matrix, size) == 255
    canvas[top:bottom, left:right][there] = cv2.warpAffine(square, matrix, size)[there]


def _waves(width: int, height: int, number: int, *, middle: int, most: int) -> Pixels:
    chance = np.random.default_rng(number)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    waves = np.zeros((height, width, 3))
    for _ in range(4):
        for channel in range(3):
            across, along = chance.uniform(-5, 5, 2)
            waves[..., channel] += np.sin(2 * np.pi * (across * x + along * y + chance.random()))
    return (middle + most * waves / 4).clip(0, 255).astype(np.uint8)

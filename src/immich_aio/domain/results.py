"""What inference yields: frozen values, in pixels of the upright image."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from immich_aio.domain.geometry import Quad, Rect


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text that was read.

    ``corners`` are in pixels, clockwise from the corner nearest the image's top left; both scores
    lie in 0…1.
    """

    text: str
    corners: Quad
    box_score: float
    text_score: float


@dataclass(frozen=True, slots=True)
class OcrTimings:
    """Where the time of reading one image went, in milliseconds."""

    queue: float = 0.0
    decode: float = 0.0
    detect: float = 0.0
    recognise: float = 0.0


@dataclass(frozen=True, slots=True)
class ClipTimings:
    """Where the time of making one vector went, in milliseconds.

    ``encode`` is that of the batch the vector was made in.
    """

    queue: float = 0.0
    decode: float = 0.0
    encode: float = 0.0


@dataclass(frozen=True, slots=True)
class FacesTimings:
    """Where the time of finding the faces of one image went, in milliseconds."""

    queue: float = 0.0
    decode: float = 0.0
    detect: float = 0.0
    recognise: float = 0.0


Timings = OcrTimings | ClipTimings | FacesTimings


@dataclass(frozen=True, slots=True)
class OcrResult:
    """All lines of one image in reading order; ``width`` and ``height`` in pixels, as shown."""

    lines: tuple[TextLine, ...]
    width: int
    height: int
    timings: OcrTimings = field(default_factory=OcrTimings, compare=False)

    @property
    def text(self) -> str:
        """The whole text, a line each."""
        return "\n".join(line.text for line in self.lines)


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """A vector of shape (dimension,), float32; ``width`` and ``height`` where it is of an image."""

    vector: NDArray[np.float32]
    width: int | None = None
    height: int | None = None
    timings: ClipTimings = field(default_factory=ClipTimings, compare=False)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Embedding)
            and (self.width, self.height) == (other.width, other.height)
            and np.array_equal(self.vector, other.vector)
        )

    __hash__ = None  # type: ignore[assignment]  # an array has no hash, so neither has this


@dataclass(frozen=True, slots=True)
class Face:
    """One face: its box in pixels, how sure the detector is (0…1), and its vector of length 1.

    A face at the image's edge has a box that reaches beyond it, as InsightFace gives it.
    """

    box: Rect
    score: float
    embedding: Embedding


@dataclass(frozen=True, slots=True)
class FacesResult:
    """All faces of one image, the surest first; its size is given in pixels."""

    faces: tuple[Face, ...]
    width: int
    height: int
    timings: FacesTimings = field(default_factory=FacesTimings, compare=False)

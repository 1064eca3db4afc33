"""Which shapes of input the OCR networks are given: few, for each costs when it is first met."""

from __future__ import annotations

from dataclasses import dataclass

from immich_aio.engines.ocr.detection_plan import GRID


@dataclass(frozen=True, slots=True)
class InputShapes:
    """Sides are multiples of these steps, in pixels; what is beyond the image is grey.

    ``page`` is of what the detector sees, ``line`` of the widths that the recogniser reads;
    ``batch`` lines are read together at most.
    """

    page: int
    line: int
    batch: int


ON_CPU = InputShapes(page=GRID, line=64, batch=1)
"""A core works as long on grey as on text, and gains nothing from several lines at once."""

ON_CUDA = InputShapes(page=320, line=320, batch=16)
"""See ``sessions.InFewBatches``."""

"""Reading one image from end to end, on one core: the work of one worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immich_aio.domain.geometry import Quad
from immich_aio.domain.images import Image
from immich_aio.domain.reading_order import reading_order
from immich_aio.domain.results import OcrResult, OcrTimings, TextLine
from immich_aio.domain.tasks import OcrOptions
from immich_aio.engines.ocr.detection_plan import plan_scale
from immich_aio.engines.ocr.detector import Detector
from immich_aio.engines.ocr.models import OcrModels
from immich_aio.engines.ocr.orientation import Orientation
from immich_aio.engines.ocr.recogniser import Recogniser
from immich_aio.engines.ocr.spelling import Reading
from immich_aio.engines.ocr.text_boxes import TextBoxes
from immich_aio.engines.worker_pool import Lease


class Reader:
    """One worker's sessions over the shared models; not for two threads at once.

    ``detection_side`` bounds the longer side, in pixels, of what the detector sees.
    """

    def __init__(self, models: OcrModels, detection_side: int) -> None:
        shapes = models.shapes
        self._detector = Detector(models.detector.session(), shapes.page)
        self._orientation = Orientation(models.classifier.session())
        self._recogniser = Recogniser(
            models.recogniser.session(), models.alphabet, shapes.batch, shapes.line
        )
        self._side = detection_side

    @property
    def recogniser(self) -> Recogniser:
        """For helping another worker."""
        return self._recogniser

    def read(self, image: Image, options: OcrOptions, lease: Lease[Reader]) -> OcrResult:
        """All lines that pass the thresholds, in reading order, in pixels of the full image."""
        started = time.perf_counter()
        scale = plan_scale(image.width, image.height, options.max_resolution, self._side)
        boxes = self._detector.find(image.pixels, scale, options.min_box_score, lease.checkpoint)
        found = time.perf_counter()
        lines = self._lines(image, boxes, options, _Team(lease))
        done = time.perf_counter()
        timings = OcrTimings(detect=(found - started) * 1e3, recognise=(done - found) * 1e3)
        return OcrResult(lines, image.full_width, image.full_height, timings)

    def _lines(
        self, image: Image, boxes: TextBoxes, options: OcrOptions, team: _Team
    ) -> tuple[TextLine, ...]:
        if not len(boxes):
            return ()

        def read(lines: Sequence[NDArray[np.float32]]) -> list[Reading]:
            return self._recogniser.read(image.pixels, lines, team)

        corners = self._orientation.turned(image.pixels, boxes.corners, read)
        readings = read(list(corners))
        stretch = image.full_width / image.width, image.full_height / image.height
        return tuple(
            TextLine(
                text=readings[index].text.strip(),
                corners=quad_of(boxes.corners[index]).scaled(*stretch),
                box_score=float(boxes.scores[index]),
                text_score=readings[index].score,
            )
            for index in reading_order(corners)
            if readings[index].text.strip() and readings[index].score >= options.min_text_score
        )


@dataclass(frozen=True, slots=True)
class _Team:
    """A lease on the pool's readers, as their recognisers see it."""

    lease: Lease[Reader]

    def checkpoint(self) -> None:
        self.lease.checkpoint()

    def others_wait(self) -> bool:
        return self.lease.others_wait()

    def share(self, work: Callable[[Recogniser], None], most: int) -> None:
        self.lease.share(lambda reader: work(reader.recogniser), most)


def quad_of(corners: NDArray[np.float32]) -> Quad:
    """Corners of shape (4, 2) as a value of the domain."""
    a, b, c, d = ((float(x), float(y)) for x, y in corners)
    return Quad((a, b, c, d))

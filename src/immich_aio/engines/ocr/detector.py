"""Finding lines of text: image in, boxes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from immich_aio.engines.ocr.crops import MID_GREY, Pixels
from immich_aio.engines.ocr.detection_plan import Scale, plan_windows
from immich_aio.engines.ocr.text_boxes import TextBoxes, boxes_of
from immich_aio.engines.sessions import Session, Tensor


class Detector:
    """PP-OCR's DB detector over one session; sides of its inputs are multiples of ``step``."""

    def __init__(self, session: Session, step: int) -> None:
        self._session = session
        self._step = step

    def find(
        self, pixels: Pixels, scale: Scale, min_score: float, checkpoint: Callable[[], None]
    ) -> TextBoxes:
        """Boxes of text lines, in pixels of the image.

        ``checkpoint`` is called before every inference and may raise to stop the work.
        """
        height, width = pixels.shape[:2]
        return boxes_of(self.probability(pixels, scale, checkpoint), width, height, min_score)

    def probability(self, pixels: Pixels, scale: Scale, checkpoint: Callable[[], None]) -> Tensor:
        """How likely each pixel of the scaled image is text: shape (scale.height, scale.width)."""
        size = (scale.width, scale.height)
        shown = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        windows = plan_windows(scale)
        whole = np.zeros((scale.height, scale.width), np.float32)
        for window in windows:
            checkpoint()
            rows = slice(window.top, window.top + window.height)
            columns = slice(window.left, window.left + window.width)
            part = self._probability(shown[rows, columns])
            # Where windows overlap, the one that sees more of the text around is the surer.
            whole[rows, columns] = np.maximum(whole[rows, columns], part)
        return whole

    def _probability(self, shown: Pixels) -> Tensor:
        height, width = shown.shape[:2]
        below, right = -height % self._step, -width % self._step
        if below or right:  # on a GPU; a CPU's step is that of the plan, and nothing is copied
            shown = np.pad(shown, ((0, below), (0, right), (0, 0)), constant_values=MID_GREY)
        return self._session.run(to_tensor([shown]))[0, 0, :height, :width]


def to_tensor(images: Sequence[Pixels]) -> Tensor:
    """Images of one size, RGB, as the PP-OCR networks take them: BGR planes in -1…1."""
    middle = (127.5, 127.5, 127.5)
    blob = cv2.dnn.blobFromImages(images, scalefactor=1 / 127.5, mean=middle, swapRB=True)
    return np.asarray(blob, np.float32)

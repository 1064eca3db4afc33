"""The faces of one image from end to end, on one core: the work of one worker."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from immich_aio.domain.geometry import Rect
from immich_aio.domain.images import Image
from immich_aio.domain.results import Embedding, Face, FacesResult, FacesTimings
from immich_aio.engines.faces.alignment import aligned
from immich_aio.engines.faces.detector import Detections, Detector, Pixels
from immich_aio.engines.faces.models import FaceModels
from immich_aio.engines.faces.recogniser import Recogniser
from immich_aio.engines.shared_work import SharedWork
from immich_aio.engines.worker_pool import Lease

Vector = NDArray[np.float32]


class Finder:
    """One worker's sessions over the shared models; not for two threads at once."""

    def __init__(self, models: FaceModels) -> None:
        self._detector = Detector(models.detector.session())
        self._recogniser = Recogniser(models.recogniser.session())
        self._batch = models.batch

    def find(self, image: Image, min_score: float, lease: Lease[Finder]) -> FacesResult:
        """All faces that pass the threshold, the surest first."""
        started = time.perf_counter()
        found = self._detector.find(image.pixels, min_score)
        detected = time.perf_counter()
        vectors = self._vectors(image.pixels, found, lease)
        done = time.perf_counter()
        timings = FacesTimings(detect=(detected - started) * 1e3, recognise=(done - detected) * 1e3)
        faces = (
            Face(Rect.from_corner_pair(*map(float, box)), float(score), Embedding(vector))
            for box, score, vector in zip(found.boxes, found.scores, vectors, strict=True)
        )
        return FacesResult(tuple(faces), image.full_width, image.full_height, timings)

    def _vectors(self, pixels: Pixels, found: Detections, lease: Lease[Finder]) -> list[Vector]:
        """One for each face; idle workers take a share of the batches."""
        vectors: dict[int, Vector] = {}

        def recognise(batch: Sequence[int], finder: Finder) -> None:
            lease.checkpoint()
            squares = list(aligned(pixels, found.landmarks[list(batch)]))
            vectors.update(zip(batch, finder._recogniser.vectors(squares), strict=True))

        def help_out(helper: Finder) -> None:
            work.help_with(lambda batch: recognise(batch, helper), lease.others_wait)

        faces, size = range(len(found)), self._batch_size(len(found), lease)
        work = SharedWork(faces[at : at + size] for at in faces[::size])
        lease.share(help_out, len(work) - 1)
        work.finish(lambda batch: recognise(batch, self))
        return [vectors[face] for face in faces]

    def _batch_size(self, faces: int, lease: Lease[Finder]) -> int:
        """As many together as may be; but a lone image's faces are shared out evenly."""
        if lease.others_wait():
            return self._batch
        return min(self._batch, max(1, -(-faces // lease.pool.workers)))

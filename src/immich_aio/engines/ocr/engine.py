"""The OCR engine: image files in, lines of text out, on as many cores as it may use."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from dataclasses import dataclass

from immich_aio.domain.images import Image, ImageLimits
from immich_aio.domain.results import OcrResult
from immich_aio.domain.tasks import OcrOptions
from immich_aio.engines.lifecycle import Lifecycle
from immich_aio.engines.ocr.detection_plan import enough_side
from immich_aio.engines.ocr.models import load_models
from immich_aio.engines.ocr.reader import Reader
from immich_aio.engines.protocol import EngineHealth
from immich_aio.engines.runtimes import Choice
from immich_aio.engines.worker_pool import Lease, WorkerPool
from immich_aio.wire.image_file import decode, read_size


@dataclass(frozen=True, slots=True)
class OcrEngineConfig:
    """How the engine runs; see the settings of the same names. Models unload after
    ``idle_seconds`` without work, or never where that is 0.
    """

    choice: Choice
    queue_size: int
    detection_side: int
    limits: ImageLimits
    idle_seconds: float = 0.0


class OcrEngine:
    """Reads images on worker threads; the models are loaded on first use and shared."""

    def __init__(self, config: OcrEngineConfig) -> None:
        self._config = config
        self._models = Lifecycle(
            "OCR models",
            lambda: load_models(config.choice),
            idle_seconds=config.idle_seconds,
            unloaded=self._release_readers,
        )
        self._pool = WorkerPool(
            self._make_reader,
            workers=config.choice.workers,
            queue_size=config.queue_size,
            name="ocr",
        )

    async def read(self, image_file: bytes, options: OcrOptions) -> OcrResult:
        """The text of one image file; see ``OcrReader.read``."""

        def work(reader: Reader, lease: Lease[Reader]) -> OcrResult:
            return self._read(reader, image_file, options, lease)

        return await self._pool.run(work)

    async def warm_up(self) -> None:
        """Load the models before the first request needs them."""
        await self._pool.run(lambda _reader, _lease: None)

    async def release(self) -> None:
        """Give the models' memory back; what runs or waits is still answered."""
        # On a thread: a load under way is waited for, and freeing takes time itself.
        await asyncio.to_thread(self._models.release)

    async def close(self) -> None:
        """Finish what runs, refuse what waits."""
        await self._pool.close()

    def health(self) -> EngineHealth:
        """What it runs on and how busy it is."""
        return EngineHealth(
            ready=self._models.loaded,
            description=self._config.choice.description,
            workers=self._pool.workers,
            waiting=self._pool.waiting,
            running=self._pool.running,
        )

    def _release_readers(self) -> None:
        self._pool.release()

    def _make_reader(self) -> Reader:
        with self._models.lease() as models:  # the second worker waits for the first one's load
            return Reader(models, self._config.detection_side)

    def _read(
        self, reader: Reader, image_file: bytes, options: OcrOptions, lease: Lease[Reader]
    ) -> OcrResult:
        started = time.perf_counter()
        image = decode_enough(image_file, self._config.limits)
        decoded = time.perf_counter()
        lease.checkpoint()
        with self._models.lease():  # so that they are not idle
            result = reader.read(image, options, lease)
        timings = dataclasses.replace(
            result.timings, queue=lease.waited * 1e3, decode=(decoded - started) * 1e3
        )
        return dataclasses.replace(result, timings=timings)


def decode_enough(image_file: bytes, limits: ImageLimits) -> Image:
    """The picture, with as many pixels as reading it needs; see ``decode``."""
    return decode(image_file, limits, target_side=enough_side(*read_size(image_file)))

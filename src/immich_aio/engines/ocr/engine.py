"""The OCR engine: image files in, lines of text out, on as many cores as it may use."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from dataclasses import dataclass

from immich_aio.domain.images import Image, ImageLimits
from immich_aio.domain.results import OcrResult
from immich_aio.domain.tasks import OcrOptions
from immich_aio.engines.memory import trim_memory
from immich_aio.engines.ocr.detection_plan import enough_side
from immich_aio.engines.ocr.models import OcrModels, load_models
from immich_aio.engines.ocr.reader import Reader
from immich_aio.engines.protocol import EngineHealth
from immich_aio.engines.sessions import Choice
from immich_aio.engines.worker_pool import Lease, WorkerPool
from immich_aio.wire.image_file import decode, read_size


@dataclass(frozen=True, slots=True)
class OcrEngineConfig:
    """How the engine runs; see the settings of the same names."""

    choice: Choice
    queue_size: int
    detection_side: int
    limits: ImageLimits


class OcrEngine:
    """Reads images on worker threads; the models are loaded on first use and shared."""

    def __init__(self, config: OcrEngineConfig) -> None:
        self._config = config
        self._models: OcrModels | None = None
        self._loading = threading.Lock()
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
        await asyncio.to_thread(self._release)

    async def close(self) -> None:
        """Finish what runs, refuse what waits."""
        await self._pool.close()

    def health(self) -> EngineHealth:
        """What it runs on and how busy it is."""
        return EngineHealth(
            ready=self._models is not None,
            description=self._config.choice.description,
            workers=self._pool.workers,
            waiting=self._pool.waiting,
            running=self._pool.running,
        )

    def _release(self) -> None:
        with self._loading:
            self._models = None
        self._pool.release()
        trim_memory()

    def _make_reader(self) -> Reader:
        with self._loading:  # the second worker waits for the first one's load
            if self._models is None:
                self._models = load_models(self._config.choice)
            return Reader(self._models, self._config.detection_side)

    def _read(
        self, reader: Reader, image_file: bytes, options: OcrOptions, lease: Lease[Reader]
    ) -> OcrResult:
        started = time.perf_counter()
        image = decode_enough(image_file, self._config.limits)
        decoded = time.perf_counter()
        lease.checkpoint()
        result = reader.read(image, options, lease)
        timings = dataclasses.replace(
            result.timings, queue=lease.waited * 1e3, decode=(decoded - started) * 1e3
        )
        return dataclasses.replace(result, timings=timings)


def decode_enough(image_file: bytes, limits: ImageLimits) -> Image:
    """The picture, with as many pixels as reading it needs; see ``decode``."""
    return decode(image_file, limits, target_side=enough_side(*read_size(image_file)))

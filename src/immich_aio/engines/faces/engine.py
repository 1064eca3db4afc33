"""The face engine: image files in, boxes and vectors of faces out, on all cores it may use."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass

from immich_aio.domain.images import ImageLimits
from immich_aio.domain.results import FacesResult
from immich_aio.engines.faces.finder import Finder
from immich_aio.engines.faces.models import FaceModels, load_models
from immich_aio.engines.faces.source import PackSource
from immich_aio.engines.lifecycle import Lifecycle
from immich_aio.engines.model_files.pack_folder import PackFiles
from immich_aio.engines.model_files.verification import pin
from immich_aio.engines.protocol import EngineHealth
from immich_aio.engines.runtimes import Choice
from immich_aio.engines.worker_pool import Lease, WorkerPool
from immich_aio.errors import BadCheckpointError, UnavailableError
from immich_aio.wire.image_file import decode


@dataclass(frozen=True, slots=True)
class FaceEngineConfig:
    """How the engine runs; see the settings of the same names. Times are in seconds."""

    choice: Choice
    queue_size: int
    idle_seconds: float
    patience: float
    limits: ImageLimits


class FaceEngine:
    """Finds faces on worker threads; the models are loaded on first use and shared."""

    def __init__(self, config: FaceEngineConfig, source: PackSource) -> None:
        self._config = config
        self._source = source
        self._files: PackFiles | None = None
        self._inside = 0
        self._closed = False
        self._models = Lifecycle(
            "face models",
            self._load,
            idle_seconds=config.idle_seconds,
            unloaded=self._release_finders,
        )
        self._pool = WorkerPool(
            self._make_finder,
            workers=config.choice.workers,
            queue_size=config.queue_size,
            name="faces",
            setting="FACES_QUEUE_SIZE",
        )

    async def find_faces(self, image_file: bytes, min_score: float) -> FacesResult:
        """All faces of one image file; see ``FacesBackend.find_faces``."""

        def work(finder: Finder, lease: Lease[Finder]) -> FacesResult:
            return self._find(finder, image_file, min_score, lease)

        with self._admitted():
            await self.prepare()
            try:
                return await self._pool.run(work)
            except BadCheckpointError:
                self._source.forget()  # what is there may be mended, or come again elsewhere
                raise

    @property
    def pack(self) -> str:
        """The name of its pack."""
        return self._source.name

    def state(self) -> str:
        """How far its pack has got, in words for people; it may look at the disk."""
        return "loaded" if self._models.loaded else self._source.state

    async def prepare(self) -> None:
        """Have the pack fetched, but not loaded, before the first request."""
        self._files = await self._source.ready(self._config.patience)

    async def warm_up(self) -> None:
        """Load the models before the first request needs them."""
        await self.prepare()
        await self._pool.run(lambda _finder, _lease: None)

    async def release(self) -> None:
        """Give the models' memory back; what runs or waits is still answered."""
        # On a thread: a load under way is waited for, and freeing takes time itself.
        await asyncio.to_thread(self._models.release)

    async def close(self) -> None:
        """Finish what runs, refuse what waits."""
        self._closed = True
        await self._pool.close()

    def health(self) -> EngineHealth:
        """What it runs on and how busy it is."""
        running = self._pool.running
        return EngineHealth(
            ready=self._models.loaded,
            description=self._config.choice.description,
            workers=self._pool.workers,
            waiting=max(self._inside - running, self._pool.waiting),
            running=running,
        )

    @contextlib.contextmanager
    def _admitted(self) -> Iterator[None]:
        """One place of those that images may take, also while the pack is still being fetched."""
        if self._closed:
            raise UnavailableError("The service is shutting down; try again.")
        if self._inside >= self._config.queue_size + self._pool.workers:
            raise self._pool.overloaded()
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    def _load(self) -> FaceModels:
        files = self._files
        assert files is not None  # noqa: S101  # nothing is submitted before they are there
        pin(files, self._source.name)
        return load_models(files, self._config.choice)

    def _release_finders(self) -> None:
        self._pool.release()

    def _make_finder(self) -> Finder:
        with self._models.lease() as models:  # the second worker waits for the first one's load
            return Finder(models)

    def _find(
        self, finder: Finder, image_file: bytes, min_score: float, lease: Lease[Finder]
    ) -> FacesResult:
        started = time.perf_counter()
        # Every pixel, as in Immich's own server: faces are cut out at the picture's full size.
        image = decode(image_file, self._config.limits, target_side=None)
        decoded = time.perf_counter()
        lease.checkpoint()
        with self._models.lease():  # so that they are not idle
            result = finder.find(image, min_score, lease)
        timings = dataclasses.replace(
            result.timings, queue=lease.waited * 1e3, decode=(decoded - started) * 1e3
        )
        return dataclasses.replace(result, timings=timings)

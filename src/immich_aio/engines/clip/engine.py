"""The CLIP engine: image files and texts in, vectors out, each kind in a lane of its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from immich_aio.domain.clip_models import ClipModel
from immich_aio.domain.images import ImageLimits
from immich_aio.domain.results import ClipTimings, Embedding
from immich_aio.engines.batch_plan import BatchLimits
from immich_aio.engines.batching import Lane, Outcome
from immich_aio.engines.clip.converted import ConvertedModel
from immich_aio.engines.clip.preprocessing import Square, square
from immich_aio.engines.clip.source import ModelSource
from immich_aio.engines.clip.tokeniser import Tokeniser
from immich_aio.engines.clip.towers import ImageTower, TextTower
from immich_aio.engines.lifecycle import Lifecycle
from immich_aio.engines.protocol import EngineHealth
from immich_aio.engines.runtimes import Choice
from immich_aio.errors import BadCheckpointError, OverloadedError, UnavailableError

Vector = NDArray[np.float32]
Tower = TypeVar("Tower")

TEXT_QUEUE = 256
"""Texts that may wait; a person waits for each of them, so there are never many."""

TEXT_OVERHEAD = 8
"""What a batch of texts costs beside its tokens, in tokens: measured on a CPU (bench/clip.py)."""

GPU_BATCH = 32
GPU_PATIENCE = 0.002
"""Seconds that the first of a batch waits for others on a GPU, which does many as fast as one."""

_TOKENISED_AT_ONCE = 2000  # characters, well under a millisecond's work


@dataclass(frozen=True, slots=True)
class ClipEngineConfig:
    """How the engine runs; see the settings of the same names. Times are in seconds."""

    choice: Choice
    queue_size: int
    batch: int
    idle_seconds: float
    image_patience: float
    text_patience: float
    limits: ImageLimits


class ClipEngine:
    """Encodes on two lanes; each tower is loaded on first use and unloaded when it is idle."""

    def __init__(self, config: ClipEngineConfig, source: ModelSource) -> None:
        self._config = config
        self._source = source
        self._tokeniser: Tokeniser | None = None
        self._inside = 0
        self._closed = False
        self._decoders = ThreadPoolExecutor(config.choice.threads, "clip-decode")
        self._image_tower = self._lifecycle("CLIP image tower", ImageTower)
        self._text_tower = self._lifecycle("CLIP text tower", TextTower)
        gpu = config.choice.device == "cuda"
        patience = GPU_PATIENCE if gpu else 0.0
        batch = GPU_BATCH if gpu else config.batch
        self._images = Lane(
            self._encode_images,
            limits=BatchLimits(batch, patience=patience),
            queue_size=config.queue_size + batch,  # the engine refuses before its lane does
            name="clip-image",
        )
        self._texts = Lane(
            self._encode_texts,
            limits=BatchLimits(batch, overhead=TEXT_OVERHEAD, patience=patience),
            queue_size=TEXT_QUEUE,
            name="clip-text",
        )

    async def encode_image(self, image_file: bytes) -> Embedding:
        """The vector of one image file; see ``ClipBackend.encode_image``."""
        with self._admitted():
            model = await self._source.ready(self._config.image_patience)
            started = time.perf_counter()
            picture, decoded = await asyncio.get_running_loop().run_in_executor(
                self._decoders, self._square, image_file, model.side
            )
            waited = time.perf_counter() - started - decoded
            outcome = await self._images.submit(picture.pixels)
        timings = _timings(outcome, waited, decoded)
        return Embedding(outcome.result, picture.width, picture.height, timings)

    async def encode_text(self, text: str) -> Embedding:
        """The vector of a text; see ``ClipBackend.encode_text``."""
        await self._source.ready(self._config.text_patience)
        if len(text) <= _TOKENISED_AT_ONCE:
            tokens = self._tokens(text)
        else:
            tokens = await asyncio.to_thread(self._tokens, text)
        outcome = await self._texts.submit(tokens, len(tokens))
        return Embedding(outcome.result, timings=_timings(outcome))

    def model(self) -> ClipModel:
        """Which model it is, and how far it has got."""
        source = self._source
        return ClipModel(source.name, source.dimension, self._state(), source.identity)

    async def prepare(self) -> None:
        """Have the model fetched and converted, but not loaded, before the first request."""
        await self._source.ready(self._config.image_patience)

    async def warm_up(self) -> None:
        """Load both towers before the first request needs them."""
        await self.prepare()
        for tower in (self._image_tower, self._text_tower):
            await asyncio.to_thread(_touch, tower)

    async def release(self) -> None:
        """Give the models' memory back; what runs or waits is still answered."""
        # On a thread: a load under way is waited for, and freeing takes time itself.
        await asyncio.to_thread(self._release)

    async def close(self) -> None:
        """Finish what runs, refuse what waits."""
        self._closed = True
        await asyncio.gather(self._images.close(), self._texts.close())
        await asyncio.to_thread(self._decoders.shutdown, cancel_futures=True)
        await self.release()

    def health(self) -> EngineHealth:
        """What it runs on and how busy it is."""
        running = self._images.running + self._texts.running
        return EngineHealth(
            ready=self._image_tower.loaded or self._text_tower.loaded,
            description=self._config.choice.description,
            workers=2,
            waiting=max(0, self._inside - self._images.running) + self._texts.waiting,
            running=running,
        )

    def _state(self) -> str:
        loaded = {"images": self._image_tower.loaded, "texts": self._text_tower.loaded}
        names = [name for name, is_loaded in loaded.items() if is_loaded]
        return f"loaded for {' and '.join(names)}" if names else self._source.state

    @contextlib.contextmanager
    def _admitted(self) -> Iterator[None]:
        """One place of those that images may take, from upload to vector."""
        if self._closed:
            raise UnavailableError("The service is shutting down; try again.")
        if self._inside >= self._config.queue_size + self._config.batch:
            raise OverloadedError(
                "The CLIP queue is full; try again in a moment, or raise CLIP_QUEUE_SIZE."
            )
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    def _square(self, image_file: bytes, side: int) -> tuple[Square, float]:
        """The picture, and the seconds it took."""
        started = time.perf_counter()
        picture = square(image_file, self._config.limits, side)
        return picture, time.perf_counter() - started

    def _tokens(self, text: str) -> list[int]:
        if self._tokeniser is None:
            self._tokeniser = Tokeniser()
        return self._tokeniser.tokens(text)

    def _encode_images(self, pictures: list[NDArray[np.uint8]]) -> list[Vector]:
        with self._image_tower.lease() as tower:
            return list(tower.vectors(pictures))

    def _encode_texts(self, texts: list[list[int]]) -> list[Vector]:
        with self._text_tower.lease() as tower:
            return list(tower.vectors(texts))

    def _lifecycle(
        self, name: str, tower: Callable[[ConvertedModel, Choice], Tower]
    ) -> Lifecycle[Tower]:
        def load() -> Tower:
            model = self._source.model
            assert model is not None  # noqa: S101  # nothing is submitted before it is ready
            try:
                return tower(model, self._config.choice)
            except UnavailableError:  # the GPU is, not the files
                raise
            except Exception as error:
                raise BadCheckpointError(
                    f"{model.folder} cannot be loaded: delete that folder, and it is made anew."
                ) from error

        return Lifecycle(name, load, idle_seconds=self._config.idle_seconds)

    def _release(self) -> None:
        self._image_tower.release()
        self._text_tower.release()


def _touch(tower: Lifecycle[ImageTower] | Lifecycle[TextTower]) -> None:
    with tower.lease():
        pass


def _timings(outcome: Outcome[Vector], waited: float = 0.0, decoded: float = 0.0) -> ClipTimings:
    return ClipTimings((outcome.waited + waited) * 1e3, decoded * 1e3, outcome.took * 1e3)

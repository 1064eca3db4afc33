"""Where the engine's model comes from: a checkpoint's files, fetched and converted if need be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from immich_aio.domain.clip_models import CN_CLIP_DIMENSIONS
from immich_aio.engines.clip.conversion import converted
from immich_aio.engines.clip.converted import ConvertedModel, already_converted
from immich_aio.engines.runtimes import Precision


class ModelSource:
    """The converted model of one name, made ready once for all who wait for it.

    ``place`` is where its checkpoint is, or will be; ``fetch`` waits for it, so many seconds at
    most, and says where it is; ``how_far`` tells people how far that is.
    """

    def __init__(
        self,
        name: str,
        precision: Precision,
        place: Path,
        fetch: Callable[[float], Awaitable[Path]],
        how_far: Callable[[], str] = lambda: "not here yet",
    ) -> None:
        self.name = name
        self._precision = precision
        self._fetch = fetch
        self._how_far = how_far
        self._model = already_converted(place, precision)
        self._converting: asyncio.Task[ConvertedModel] | None = None

    @property
    def model(self) -> ConvertedModel | None:
        """The model, once it is ready."""
        return self._model

    @property
    def dimension(self) -> int | None:
        """The length of its vectors, as far as that is known."""
        return self._model.dimension if self._model else CN_CLIP_DIMENSIONS.get(self.name)

    @property
    def identity(self) -> str:
        """What tells these weights from any others; empty while they are not ready."""
        return f"{self._model.source.sha256} {self._precision}" if self._model else ""

    @property
    def state(self) -> str:
        """How far it has got, in words for people."""
        if self._converting is not None:
            return "being converted"
        return self._how_far() if self._model is None else "ready, loaded on first use"

    async def ready(self, patience: float) -> ConvertedModel:
        """The model; waits at most ``patience`` seconds for its checkpoint, and for the conversion.

        Raises ModelMissingError, TimeoutExceededError, BadCheckpointError or UnavailableError.
        """
        if self._model is None:
            checkpoint = await self._fetch(patience)
            if self._converting is None:
                self._converting = asyncio.create_task(self._convert(checkpoint))
            # A caller who hangs up must not end what the others wait for.
            self._model = await asyncio.shield(self._converting)
        return self._model

    async def _convert(self, checkpoint: Path) -> ConvertedModel:
        try:
            return await asyncio.to_thread(converted, checkpoint, self._precision)
        finally:
            self._converting = None  # so that the next caller tries again where this one failed

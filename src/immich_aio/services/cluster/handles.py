"""Deployments as engines: what services ask of an engine is done by whichever replica has room."""

from __future__ import annotations

import asyncio
from typing import cast

from immich_aio.domain.clip_models import CN_CLIP_DIMENSIONS, ClipModel
from immich_aio.domain.results import Embedding, FacesResult, OcrResult
from immich_aio.domain.tasks import OcrOptions
from immich_aio.engines.protocol import EngineHealth
from immich_aio.services.cluster.calls import Replicas


class _Replicated:
    """What every engine can do. Loading, and ending, are the replicas' own affair."""

    def __init__(self, *replicas: Replicas) -> None:
        self._all = replicas

    async def warm_up(self) -> None:
        """Nothing: a replica that is there has loaded its models."""

    async def prepare(self) -> None:
        """Nothing, likewise."""

    async def close(self) -> None:
        """Nothing: they serve others, and Ray ends them."""

    async def release(self) -> None:
        """Have every replica give its models' memory back until the next request."""
        await asyncio.gather(*(each.release() for each in self._all))

    def health(self) -> EngineHealth:
        """What they run on, and how many calls of this process are under way."""
        first, *others = (each.health() for each in self._all)
        running = first.running + sum(each.running for each in others)
        return EngineHealth(first.ready, first.description, first.workers, first.waiting, running)


class ReplicatedOcr(_Replicated):
    """An ``OcrReader``."""

    async def read(self, image_file: bytes, options: OcrOptions) -> OcrResult:
        """See ``OcrBackend.read``."""
        return cast("OcrResult", await self._all[0].call("read", image_file, options))


class ReplicatedClip(_Replicated):
    """A ``ClipEncoder`` of the model of that name."""

    def __init__(self, images: Replicas, texts: Replicas, name: str) -> None:
        super().__init__(images, texts)
        self._images = images
        self._texts = texts
        self._name = name
        self._dimension = CN_CLIP_DIMENSIONS.get(name)

    async def encode_image(self, image_file: bytes) -> Embedding:
        """See ``ClipBackend.encode_image``."""
        return self._seen(await self._images.call("encode_image", image_file))

    async def encode_text(self, text: str) -> Embedding:
        """See ``ClipBackend.encode_text``."""
        return self._seen(await self._texts.call("encode_text", text))

    def model(self) -> ClipModel:
        """Which model it is; how long an imported one's vectors are, once there was one."""
        return ClipModel(self._name, self._dimension, "ready at the replicas")

    def _seen(self, embedding: Embedding) -> Embedding:
        self._dimension = embedding.vector.size
        return embedding


class ReplicatedFaces(_Replicated):
    """A ``FaceFinder`` with the pack of that name."""

    def __init__(self, replicas: Replicas, pack: str) -> None:
        super().__init__(replicas)
        self._pack = pack

    async def find_faces(self, image_file: bytes, min_score: float) -> FacesResult:
        """See ``FacesBackend.find_faces``."""
        return cast("FacesResult", await self._all[0].call("find_faces", image_file, min_score))

    @property
    def pack(self) -> str:
        """Which pack it is."""
        return self._pack

    def state(self) -> str:
        """How far its pack has got, in words for people."""
        return "ready at the replicas"

"""What runs in a replica: one engine of the size of its share, and nothing else.

Every model is loaded, and has worked once, before its replica is given requests: so a replica that
could not do its work is none, and a rolling update never replaces one that can by one that cannot.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from PIL import Image

from immich_aio.domain.results import Embedding, FacesResult, OcrResult
from immich_aio.domain.tasks import OcrOptions
from immich_aio.engines.protocol import ClipEncoder, Engine, FaceFinder, OcrReader
from immich_aio.services.cluster.answer import Answer, answered

Made = TypeVar("Made", bound=Engine)


@dataclass(frozen=True, slots=True)
class Room:
    """What a replica may use: so many cores, and a GPU or not."""

    cores: int
    has_gpu: bool


Maker = Callable[[Room], Made]
"""Makes an engine on the machine on which the replica runs, which may be any."""


class Replica(Generic[Made]):
    """One engine, which is made and loaded before any request comes."""

    async def __init__(self, make: Maker[Made]) -> None:  # type: ignore[misc]  # Ray awaits it
        self._engine = make(own_room())
        await self._load()

    async def _load(self) -> None:
        await self._engine.warm_up()

    async def release(self) -> None:
        """Give the models' memory back until the next request."""
        await self._engine.release()


class OcrReplica(Replica[OcrReader]):
    """Reads the text of images."""

    async def read(self, image_file: bytes, options: OcrOptions) -> Answer[OcrResult]:
        """The text of one image file; see ``OcrBackend.read``."""
        return await answered(self._engine, self._engine.read(image_file, options))


class ClipImageReplica(Replica[ClipEncoder]):
    """Makes the vectors of images; the other tower is never loaded."""

    async def _load(self) -> None:
        await self._engine.encode_image(_a_picture())

    async def encode_image(self, image_file: bytes) -> Answer[Embedding]:
        """The vector of one image file; see ``ClipBackend.encode_image``."""
        return await answered(self._engine, self._engine.encode_image(image_file))


class ClipTextReplica(Replica[ClipEncoder]):
    """Makes the vectors of texts; the other tower is never loaded."""

    async def _load(self) -> None:
        await self._engine.prepare()  # a text alone would not wait long for a model on its way
        await self._engine.encode_text("a text")

    async def encode_text(self, text: str) -> Answer[Embedding]:
        """The vector of a text; see ``ClipBackend.encode_text``."""
        return await answered(self._engine, self._engine.encode_text(text))


class FacesReplica(Replica[FaceFinder]):
    """Finds and recognises faces."""

    async def find_faces(self, image_file: bytes, min_score: float) -> Answer[FacesResult]:
        """All faces of one image file; see ``FacesBackend.find_faces``."""
        return await answered(self._engine, self._engine.find_faces(image_file, min_score))


def own_room() -> Room:
    """What Ray has set apart for the replica that asks."""
    import ray  # noqa: PLC0415  # only where Ray runs

    context: Any = ray.get_runtime_context()
    resources = context.get_assigned_resources()
    return Room(max(1, math.ceil(resources.get("CPU", 0))), resources.get("GPU", 0) > 0)


def _a_picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 32)).save(file, "PNG")
    return file.getvalue()

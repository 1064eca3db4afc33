"""The small contract of an engine: what services may ask of inference, whatever runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from immich_aio.domain.clip_models import ClipModel
from immich_aio.domain.results import Embedding, FacesResult, OcrResult
from immich_aio.domain.tasks import OcrOptions


@dataclass(frozen=True, slots=True)
class EngineHealth:
    """What an engine can say of itself. ``description`` names runtime and precision."""

    ready: bool
    description: str
    workers: int
    waiting: int
    running: int


class Engine(Protocol):
    """What every engine of this process can do."""

    async def warm_up(self) -> None:
        """Load the models before the first request needs them."""
        ...

    async def release(self) -> None:
        """Give back the memory of models and caches; the next call loads them again."""
        ...

    def health(self) -> EngineHealth:
        """What runs, on what, and how busy it is."""
        ...

    async def close(self) -> None:
        """Finish what runs, refuse what waits, stop the workers."""
        ...


class OcrBackend(Protocol):
    """Reads the text of images: an engine of this process, or a server that has one."""

    async def read(self, image_file: bytes, options: OcrOptions) -> OcrResult:
        """The text of one image file (its bytes as uploaded).

        Raises BadImageError or TooLargeError for what cannot be decoded, OverloadedError at once
        when the queue is full. A cancelled call costs no inference.
        """
        ...


class OcrReader(OcrBackend, Engine, Protocol):
    """An engine of this process."""


class ClipBackend(Protocol):
    """Makes CLIP vectors: an engine of this process, or a server that has one."""

    async def encode_image(self, image_file: bytes) -> Embedding:
        """The vector of one image file (its bytes as uploaded), of length 1.

        Raises as ``OcrBackend.read``, ModelMissingError or TimeoutExceededError where the model is
        not there (in time).
        """
        ...

    async def encode_text(self, text: str) -> Embedding:
        """The vector of a text, of length 1. Raises as ``encode_image``."""
        ...

    def model(self) -> ClipModel:
        """Which model it is."""
        ...


class ClipEncoder(ClipBackend, Engine, Protocol):
    """An engine of this process."""

    async def prepare(self) -> None:
        """Have the model's files ready, but nothing loaded, before the first request."""
        ...


class FacesBackend(Protocol):
    """Finds and recognises faces: an engine of this process, or a server that has one."""

    async def find_faces(self, image_file: bytes, min_score: float) -> FacesResult:
        """All faces of one image file whose score is at least ``min_score`` (0…1).

        Raises as ``OcrBackend.read``, LicenseError where the models' licence was not accepted,
        ModelMissingError or TimeoutExceededError where they are not there (in time).
        """
        ...

    @property
    def pack(self) -> str:
        """The name of its pack of models."""
        ...


class FaceFinder(FacesBackend, Engine, Protocol):
    """An engine of this process."""

    def state(self) -> str:
        """How far its pack has got, in words for people; it may look at the disk."""
        ...

    async def prepare(self) -> None:
        """Have the models' files ready, but nothing loaded, before the first request."""
        ...

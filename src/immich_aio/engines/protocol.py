"""The small contract of an engine: what services may ask of inference, whatever runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from immich_aio.domain.results import OcrResult
from immich_aio.domain.tasks import OcrOptions


@dataclass(frozen=True, slots=True)
class EngineHealth:
    """What an engine can say of itself. ``description`` names runtime and precision."""

    ready: bool
    description: str
    workers: int
    waiting: int
    running: int


class OcrBackend(Protocol):
    """Reads the text of images: an engine of this process, or a server that has one."""

    async def read(self, image_file: bytes, options: OcrOptions) -> OcrResult:
        """The text of one image file (its bytes as uploaded).

        Raises BadImageError or TooLargeError for what cannot be decoded, OverloadedError at once
        when the queue is full. A cancelled call costs no inference.
        """
        ...


class OcrReader(OcrBackend, Protocol):
    """An engine of this process."""

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

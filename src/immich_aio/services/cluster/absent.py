"""Engines that a cluster was set up without: every request for one says how to have it."""

from __future__ import annotations

from typing import NoReturn

from immich_aio.domain.clip_models import ClipModel
from immich_aio.domain.tasks import OcrOptions
from immich_aio.engines.protocol import EngineHealth
from immich_aio.errors import UnavailableError


class Absent:
    """In place of an ``OcrReader``, ``ClipEncoder`` or ``FaceFinder``."""

    pack = ""

    def __init__(self, what: str, remedy: str) -> None:
        self._message = f"This cluster has no {what}; write its configuration anew with {remedy}."

    async def read(self, _image_file: bytes, _options: OcrOptions) -> NoReturn:
        """Raises UnavailableError."""
        raise UnavailableError(self._message)

    async def encode_image(self, _image_file: bytes) -> NoReturn:
        """Raises UnavailableError."""
        raise UnavailableError(self._message)

    async def encode_text(self, _text: str) -> NoReturn:
        """Raises UnavailableError."""
        raise UnavailableError(self._message)

    async def find_faces(self, _image_file: bytes, _min_score: float) -> NoReturn:
        """Raises UnavailableError."""
        raise UnavailableError(self._message)

    async def warm_up(self) -> None:
        """There is nothing to load."""

    async def prepare(self) -> None:
        """There is nothing to load."""

    async def release(self) -> None:
        """There is nothing to give back."""

    async def close(self) -> None:
        """There is nothing to end."""

    def health(self) -> EngineHealth:
        """That it is not there."""
        return EngineHealth(False, "not in this cluster", 0, 0, 0)

    def model(self) -> ClipModel:
        """None."""
        return ClipModel("", None, "not in this cluster")

    def state(self) -> str:
        """That it is not there."""
        return "not in this cluster"

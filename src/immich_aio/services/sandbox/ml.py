"""Machine learning, asked as Immich asks: ``POST /predict`` of the gateway, one task at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from immich_aio.domain.tasks import (
    ClipImageTask,
    ClipTextTask,
    FacesTask,
    OcrOptions,
    OcrTask,
    Task,
)
from immich_aio.errors import UpstreamError
from immich_aio.upstream.immich_ml import ImmichMlClient


@dataclass(frozen=True, slots=True)
class Models:
    """The models that Immich is set to; these are its defaults."""

    clip: str = "ViT-B-32__openai"
    faces: str = "buffalo_l"
    ocr: str = "PP-OCRv5_mobile"


class MachineLearning:
    """Immich's client. What a reply holds is taken as it is: so does Immich."""

    def __init__(self, client: ImmichMlClient, models: Models | None = None) -> None:
        self._client = client
        self.models = models or Models()

    async def ocr(self, preview: Path) -> dict[str, Any]:
        """The lines of a preview: ``text``, ``box``, ``boxScore``, ``textScore``."""
        task = OcrTask(self.models.ocr, OcrOptions())
        return dict(await self._part(task, "ocr", dict, image=preview))

    async def clip(
        self,
        task: ClipImageTask | ClipTextTask,
        *,
        image: Path | None = None,
        text: str | None = None,
    ) -> str:
        """The vector of a preview or a text, in the words of the reply."""
        return str(await self._part(task, "clip", str, image=image, text=text))

    async def faces(self, preview: Path) -> tuple[list[dict[str, Any]], int, int]:
        """The faces of a preview, and its width and height."""
        reply = await self._reply(FacesTask(self.models.faces), preview, None)
        faces, width, height = (
            reply.get(key) for key in ("facial-recognition", "imageWidth", "imageHeight")
        )
        if not isinstance(faces, list) or not isinstance(width, int) or not isinstance(height, int):
            raise UpstreamError("Machine learning answered no faces and no size.")
        return faces, width, height

    async def _part(
        self,
        task: Task,
        key: str,
        kind: type,
        *,
        image: Path | None = None,
        text: str | None = None,
    ) -> Any:  # noqa: ANN401  # checked to be of that kind
        part = (await self._reply(task, image, text)).get(key)
        if not isinstance(part, kind):
            raise UpstreamError(f"Machine learning answered no '{key}'.")
        return part

    async def _reply(self, task: Task, image: Path | None, text: str | None) -> dict[str, object]:
        data = None if image is None else await anyio.Path(image).read_bytes()
        return await self._client.predict((task,), data, text, as_it_is=True)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

"""What the AI service does: keys, uploads, engines, and MT-Photos' way of saying what failed."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Request
from fastapi.responses import JSONResponse, Response
from fastapi.security import APIKeyHeader

from immich_aio import __version__
from immich_aio.domain.clip_models import STAND_INS
from immich_aio.domain.results import Embedding, FacesResult, OcrResult
from immich_aio.domain.tasks import OcrOptions
from immich_aio.engines.protocol import ClipEncoder, FaceFinder, OcrReader
from immich_aio.errors import AioError, BadInputError, UnauthorizedError
from immich_aio.services.http.hang_up import unless_hung_up
from immich_aio.services.http.metrics import Metrics, server_timing
from immich_aio.services.http.uploads import Upload, read_json_body
from immich_aio.wire import mt_photos

log = logging.getLogger(__name__)

MT_PHOTOS_OPTIONS = OcrOptions(min_box_score=0.5, min_text_score=0.5)
"""MT-Photos sends no thresholds; these are RapidOCR's own defaults, as its servers use them."""


@dataclass(frozen=True, slots=True)
class AiServiceConfig:
    """What the app needs to know; ``key_is_secret`` is False for the well-known default key.

    ``min_face_score`` (0…1) is for MT-Photos, which sends none.
    """

    api_key: str
    key_is_secret: bool
    max_upload_bytes: int
    min_face_score: float = 0.65


@dataclass(frozen=True, slots=True)
class Engines:
    """What does the work, and what of it is to begin when the service starts."""

    ocr: OcrReader
    clip: ClipEncoder
    faces: FaceFinder
    at_start: tuple[Callable[[], Awaitable[None]], ...] = ()


class AiService:
    """The handlers over the engines."""

    def __init__(self, config: AiServiceConfig, engines: Engines, metrics: Metrics) -> None:
        self._config = config
        self._ocr = engines.ocr
        self._clip = engines.clip
        self._faces = engines.faces
        self._metrics = metrics

    async def authorise(
        self,
        key: Annotated[str | None, Depends(APIKeyHeader(name="api-key", auto_error=False))],
    ) -> None:
        """Raises UnauthorizedError unless the caller knows the key; compares in constant time."""
        sent = (key or "").encode("latin-1")  # the bytes as they came
        if not hmac.compare_digest(sent, self._config.api_key.encode()):
            raise UnauthorizedError

    async def status(self) -> dict[str, object]:
        """What the page shows of the service; open to all, so nothing private."""
        health, clip = self._ocr.health(), self._clip.model()
        state = await asyncio.to_thread(self._faces.state)
        return {
            "version": __version__,
            "engine": health.description,
            "key_required": self._config.key_is_secret,
            "workers": health.workers,
            "waiting": health.waiting,
            "clip": {
                "model": clip.name,
                "dimension": clip.dimension,
                "state": clip.state,
                "engine": self._clip.health().description,
                "immich_names": STAND_INS.get(clip.dimension or 0, ()),
            },
            "faces": {
                "pack": self._faces.pack,
                "state": state,
                "engine": self._faces.health().description,
            },
        }

    async def check(self) -> dict[str, object]:
        """MT-Photos asks this to learn whether address and key are right."""
        return mt_photos.check_reply(self._ocr.health().description)

    async def ocr(self, request: Request) -> Response:
        """Read an image's text; boxes and scores in MT-Photos' shape."""
        return await _in_mt_photos_shape(self._ocr_reply(request))

    async def ocr_lines(self, request: Request) -> Response:
        """Read an image's text in reading order: corners in pixels, scores, and where time went."""
        result = await self._read(request)
        return JSONResponse(lines_reply(result), headers=_timing(result))

    async def clip_image(self, request: Request) -> Response:
        """Make an image's CLIP vector."""
        return await _in_mt_photos_shape(self._clip_image(request))

    async def clip_text(self, request: Request) -> Response:
        """Make a text's CLIP vector."""
        return await _in_mt_photos_shape(self._clip_text(request))

    async def represent(self, request: Request) -> Response:
        """Find the faces of an image, and make a vector of each."""
        return await _in_mt_photos_shape(self._represent(request))

    async def face_check(self) -> dict[str, object]:
        """MT-Photos asks this to learn which model recognises faces."""
        return mt_photos.face_check_reply(self._faces.pack)

    async def restart(self) -> dict[str, str]:
        """Give the models' memory back. Requests that run or wait are answered all the same."""
        engines = (self._ocr, self._clip, self._faces)
        await asyncio.gather(*(engine.release() for engine in engines))
        return {"result": "pass"}

    async def _ocr_reply(self, request: Request) -> Response:
        result = await self._read(request)
        return JSONResponse(mt_photos.ocr_reply(result), headers=_timing(result))

    async def _read(self, request: Request) -> OcrResult:
        image = await self._image(request)
        result = await unless_hung_up(request, self._ocr.read(image, MT_PHOTOS_OPTIONS))
        self._metrics.count_ocr(result.timings, len(result.lines))
        return result

    async def _clip_image(self, request: Request) -> Response:
        image = await self._image(request)
        embedding = await unless_hung_up(request, self._clip.encode_image(image))
        return self._vector_reply("image", embedding)

    async def _clip_text(self, request: Request) -> Response:
        text = mt_photos.parse_text(await read_json_body(request))
        embedding = await unless_hung_up(request, self._clip.encode_text(text))
        return self._vector_reply("text", embedding)

    async def _represent(self, request: Request) -> Response:
        image = await self._image(request)
        finding = self._faces.find_faces(image, self._config.min_face_score)
        result = await unless_hung_up(request, finding)
        self._metrics.count_faces(result.timings, len(result.faces))
        reply = mt_photos.faces_reply(result, self._faces.pack)
        return JSONResponse(reply, headers=_timing(result))

    def _vector_reply(self, kind: Literal["image", "text"], embedding: Embedding) -> Response:
        self._metrics.count_clip(kind, embedding.timings)
        return JSONResponse(mt_photos.clip_reply(embedding), headers=_timing(embedding))

    async def _image(self, request: Request) -> bytes:
        parts = await Upload(request, self._config.max_upload_bytes).read_all()
        if "file" not in parts:
            raise BadInputError("Send the image as the multipart field 'file'.")
        return bytes(parts.pop("file").data)


def lines_reply(result: OcrResult) -> dict[str, object]:
    """The reply of ``/ocr/lines``: everything that is known of each line."""
    timings = result.timings
    return {
        "lines": [
            {
                "text": line.text,
                "corners": line.corners.points,
                "boxScore": round(line.box_score, 4),
                "textScore": round(line.text_score, 4),
            }
            for line in result.lines
        ],
        "width": result.width,
        "height": result.height,
        "timings": {
            "queue": timings.queue,
            "decode": timings.decode,
            "detect": timings.detect,
            "recognise": timings.recognise,
        },
    }


async def _in_mt_photos_shape(reply: Awaitable[Response]) -> Response:
    """MT-Photos dictates that what fails while processing is a 200 with a message.

    A wrong key and a full queue keep their status: its clients know 401, and a 429 says when to
    come back.
    """
    try:
        return await reply
    except AioError as error:
        if error.kind in ("unauthorized", "overloaded", "cancelled"):
            raise
        log.info("a request failed: %s", error.message)
        kind = {mt_photos.FAILURE_HEADER: error.kind}
        return JSONResponse(mt_photos.failure(error.message), headers=kind)


def _timing(result: OcrResult | Embedding | FacesResult) -> dict[str, str]:
    return {"Server-Timing": server_timing(result.timings)}

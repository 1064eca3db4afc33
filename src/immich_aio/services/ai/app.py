"""The AI service's app: routes, keys, and MT-Photos' way of saying that something failed."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from fastapi.security import APIKeyHeader
from fastapi.staticfiles import StaticFiles

from immich_aio import __version__
from immich_aio.domain.results import OcrResult
from immich_aio.domain.tasks import OcrOptions
from immich_aio.engines.protocol import OcrReader
from immich_aio.errors import AioError, BadInputError, UnauthorizedError
from immich_aio.services.http import errors
from immich_aio.services.http.hang_up import unless_hung_up
from immich_aio.services.http.metrics import Metrics, RequestMetrics, server_timing
from immich_aio.services.http.uploads import Upload
from immich_aio.wire import mt_photos

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}

MT_PHOTOS_OPTIONS = OcrOptions(min_box_score=0.5, min_text_score=0.5)
"""MT-Photos sends no thresholds; these are RapidOCR's own defaults, as its servers use them."""

IMAGE_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


@dataclass(frozen=True, slots=True)
class AiServiceConfig:
    """What the app needs to know; ``key_is_secret`` is False for the well-known default key."""

    api_key: str
    key_is_secret: bool
    max_upload_bytes: int


class AiService:
    """The handlers over one OCR engine."""

    def __init__(self, config: AiServiceConfig, ocr: OcrReader, metrics: Metrics) -> None:
        self._config = config
        self._ocr = ocr
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
        health = self._ocr.health()
        return {
            "version": __version__,
            "engine": health.description,
            "key_required": self._config.key_is_secret,
            "workers": health.workers,
            "waiting": health.waiting,
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

    async def restart(self) -> dict[str, str]:
        """Give the models' memory back. Requests that run or wait are answered all the same."""
        await self._ocr.release()
        return {"result": "pass"}

    async def _ocr_reply(self, request: Request) -> Response:
        result = await self._read(request)
        return JSONResponse(mt_photos.ocr_reply(result), headers=_timing(result))

    async def _read(self, request: Request) -> OcrResult:
        parts = await Upload(request, self._config.max_upload_bytes).read_all()
        if "file" not in parts:
            raise BadInputError("Send the image as the multipart field 'file'.")
        image = bytes(parts.pop("file").data)
        result = await unless_hung_up(request, self._ocr.read(image, MT_PHOTOS_OPTIONS))
        self._metrics.count_ocr(result.timings, len(result.lines))
        return result


def create_app(config: AiServiceConfig, ocr: OcrReader) -> FastAPI:
    """The AI service over an engine, which the caller closes."""
    metrics = Metrics("ai")
    metrics.watch(ocr.health)
    service = AiService(config, ocr, metrics)
    app = FastAPI(
        title="Immich All-in-One AI service", version=__version__, lifespan=_lifespan(ocr)
    )
    app.include_router(_open_routes(service, metrics))
    app.include_router(_keyed_routes(service))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(RequestMetrics, metrics=metrics)
    errors.install(app)
    return app


def _open_routes(service: AiService, metrics: Metrics) -> APIRouter:
    router = APIRouter()

    @router.get("/", response_class=HTMLResponse)
    async def page() -> Response:
        """A page on which to drop a photo and see what is read."""
        return FileResponse(STATIC / "index.html", headers=PAGE_HEADERS)

    @router.get("/ping", response_class=PlainTextResponse)
    async def ping() -> str:
        """Whether the service answers."""
        return "pong"

    router.add_api_route("/aio/status", service.status)
    router.add_api_route("/metrics", metrics.page, response_class=PlainTextResponse)
    return router


def _keyed_routes(service: AiService) -> APIRouter:
    router = APIRouter(dependencies=[Depends(service.authorise)])
    router.add_api_route("/check", service.check, methods=["POST"])
    for path, handler in (("/ocr", service.ocr), ("/ocr/lines", service.ocr_lines)):
        router.add_api_route(path, handler, methods=["POST"], openapi_extra=IMAGE_FORM)
    for path in ("/restart", "/restart_v2"):
        router.add_api_route(path, service.restart, methods=["POST"])
    return router


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
        log.info("an image was not read: %s", error.message)
        return JSONResponse(mt_photos.failure(error.message))


def _timing(result: OcrResult) -> dict[str, str]:
    return {"Server-Timing": server_timing(result.timings)}


def _lifespan(ocr: OcrReader) -> Callable[[FastAPI], Any]:
    """Serving starts at once, while the models load. The engine is closed by whoever made it:
    another service of this process may still be finishing its requests.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(_warm_up(ocr))
        yield
        loading.cancel()
        await asyncio.wait({loading})

    return lifespan


async def _warm_up(ocr: OcrReader) -> None:
    """A failure is only logged here; the first request meets it again and is told."""
    try:
        await ocr.warm_up()
    except AioError as error:
        log.warning("the OCR models could not be loaded: %s", error.message)
    except Exception:
        log.exception("the OCR models could not be loaded")

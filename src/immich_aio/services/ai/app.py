"""The AI service's app: its routes, what their documentation says, and what begins at the start."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse, Response

from immich_aio import __version__
from immich_aio.errors import AioError
from immich_aio.services.ai.service import AiService, AiServiceConfig, Engines
from immich_aio.services.http import errors
from immich_aio.services.http.metrics import Metrics, RequestMetrics
from immich_aio.services.http.static_files import static_files

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}

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

TEXT_JSON: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["text"],
                    "properties": {"text": {"type": "string", "examples": ["飞机"]}},
                }
            }
        },
    }
}


def create_app(config: AiServiceConfig, engines: Engines) -> FastAPI:
    """The AI service over engines, which the caller closes."""
    metrics = Metrics("ai")
    metrics.watch("ocr", engines.ocr.health)
    metrics.watch("clip", engines.clip.health)
    metrics.watch("faces", engines.faces.health)
    service = AiService(config, engines, metrics)
    app = FastAPI(
        title="Immich All-in-One AI service",
        version=__version__,
        lifespan=_lifespan(engines.at_start),
    )
    app.include_router(_open_routes(service, metrics))
    app.include_router(_keyed_routes(service))
    app.mount("/static", static_files(STATIC), name="static")
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

    router.add_api_route("/face/check", service.face_check)
    router.add_api_route("/aio/status", service.status)
    router.add_api_route("/metrics", metrics.page, response_class=PlainTextResponse)
    return router


def _keyed_routes(service: AiService) -> APIRouter:
    router = APIRouter(dependencies=[Depends(service.authorise)])
    router.add_api_route("/check", service.check, methods=["POST"])
    uploads = {
        "/ocr": service.ocr,
        "/ocr/lines": service.ocr_lines,
        "/clip/img": service.clip_image,
        "/represent": service.represent,
    }
    for path, handler in uploads.items():
        router.add_api_route(path, handler, methods=["POST"], openapi_extra=IMAGE_FORM)
    router.add_api_route("/clip/txt", service.clip_text, methods=["POST"], openapi_extra=TEXT_JSON)
    for path in ("/restart", "/restart_v2"):
        router.add_api_route(path, service.restart, methods=["POST"])
    return router


def _lifespan(at_start: Sequence[Callable[[], Awaitable[None]]]) -> Callable[[FastAPI], Any]:
    """Serving starts at once, while models are fetched and loaded. The engines are closed by
    whoever made them: another service of this process may still be finishing its requests.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        preparing = {asyncio.create_task(_attempt(prepare)) for prepare in at_start}
        yield
        for task in preparing:
            task.cancel()
        await asyncio.gather(*preparing, return_exceptions=True)

    return lifespan


async def _attempt(prepare: Callable[[], Awaitable[None]]) -> None:
    """A failure is only logged here; the first request meets it again and is told."""
    try:
        await prepare()
    except AioError as error:
        log.warning("a model could not be made ready: %s", error.message)
    except Exception:
        log.exception("a model could not be made ready")

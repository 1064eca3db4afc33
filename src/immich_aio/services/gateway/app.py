"""The gateway's app: what Immich finds behind its machine-learning URL, and a page for people."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from immich_aio.services.gateway.front import PREDICT, Front
from immich_aio.services.gateway.gateway import Gateway
from immich_aio.services.gateway.openapi import description
from immich_aio.services.gateway.status import status_of
from immich_aio.services.http import errors
from immich_aio.services.http.metrics import RequestMetrics
from immich_aio.services.http.static_files import static_files

STATIC = Path(__file__).parent / "static"
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
    "Vary": "Accept",
}


def create_app(gateway: Gateway) -> ASGIApp:
    """The gateway's routes; it begins and ends with the server that has them."""

    async def status(_request: Request) -> Response:
        return JSONResponse(status_of(gateway))

    others = Starlette(
        routes=[
            Route("/", _root),
            Route("/ping", _ping),
            Route(PREDICT, gateway.predictor.answer, methods=["POST"]),
            Route("/status", status),
            Route("/metrics", gateway.metrics.page),
            Route("/openapi.json", _description),
            Mount("/static", static_files(STATIC)),
        ],
        middleware=[Middleware(RequestMetrics, metrics=gateway.metrics)],
        lifespan=_lifespan(gateway),
    )
    errors.install(others)
    return Front(gateway, others)


def _lifespan(gateway: Gateway) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await gateway.start()
        yield
        await gateway.close()

    return lifespan


async def _root(request: Request) -> Response:
    """What Immich's own server answers; a page for people who come with a browser."""
    if "text/html" in request.headers.get("accept", ""):
        return FileResponse(STATIC / "index.html", headers=PAGE_HEADERS)
    return JSONResponse({"message": "Immich ML"}, headers={"Vary": "Accept"})


async def _ping(_request: Request) -> Response:
    return PlainTextResponse("pong")


async def _description(_request: Request) -> Response:
    return JSONResponse(description())

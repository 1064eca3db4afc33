"""The companion's app: everything of Immich's, and what is below ``/aio``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from immich_aio import __version__
from immich_aio.services.companion.companion import Companion
from immich_aio.services.companion.front import OURS, Front
from immich_aio.services.http import errors
from immich_aio.services.http.metrics import RequestMetrics
from immich_aio.services.http.static_files import static_files

STATIC = Path(__file__).parent / "static"


def create_app(companion: Companion) -> ASGIApp:
    """The companion before Immich; it begins and ends with the server that has it."""
    pages = Starlette(
        routes=[
            Route(f"{OURS}/health", _health),
            Route(f"{OURS}/metrics", companion.metrics.page),
            Mount(f"{OURS}/static", static_files(STATIC)),
            *companion.features.routes,
        ],
        middleware=[Middleware(RequestMetrics, metrics=companion.metrics)],
        lifespan=_lifespan(companion),
    )
    errors.install(pages)
    return Front(companion, pages)


def _lifespan(companion: Companion) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await companion.start()
        try:
            yield
        finally:
            await companion.close()

    return lifespan


async def _health(_request: Request) -> Response:
    """That the companion is there; whether Immich is, is Immich's to say."""
    return JSONResponse({"status": "ok", "version": __version__})

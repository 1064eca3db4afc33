"""The gateway's app: what Immich finds behind its machine-learning URL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from immich_aio.services.gateway.predict import Backends, Predictor
from immich_aio.services.http import errors
from immich_aio.services.http.metrics import Metrics, RequestMetrics


def create_app(backends: Backends, max_upload_bytes: int) -> Starlette:
    """The gateway over its backends; on shutdown it closes the client of Immich's server."""
    metrics = Metrics("gateway")
    predictor = Predictor(backends, max_upload_bytes, metrics)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        if backends.immich is not None:
            await backends.immich.close()

    app = Starlette(
        routes=[
            Route("/", _root),
            Route("/ping", _ping),
            Route("/predict", predictor.answer, methods=["POST"]),
            Route("/metrics", metrics.page),
        ],
        middleware=[Middleware(RequestMetrics, metrics=metrics)],
        lifespan=lifespan,
    )
    errors.install(app)
    return app


async def _root(_request: Request) -> Response:
    return JSONResponse({"message": "Immich ML"})


async def _ping(_request: Request) -> Response:
    return PlainTextResponse("pong")

"""The gateway's app: what Immich finds behind its machine-learning URL."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from immich_aio.services.gateway.predict import Backends, Predictor
from immich_aio.services.http import errors
from immich_aio.services.http.metrics import Metrics, RequestMetrics


def create_app(backends: Backends, max_upload_bytes: int) -> Starlette:
    """The gateway over its backends, which the caller closes."""
    metrics = Metrics("gateway")
    predictor = Predictor(backends, max_upload_bytes, metrics)

    app = Starlette(
        routes=[
            Route("/", _root),
            Route("/ping", _ping),
            Route("/predict", predictor.answer, methods=["POST"]),
            Route("/metrics", metrics.page),
        ],
        middleware=[Middleware(RequestMetrics, metrics=metrics)],
    )
    errors.install(app)
    return app


async def _root(_request: Request) -> Response:
    return JSONResponse({"message": "Immich ML"})


async def _ping(_request: Request) -> Response:
    return PlainTextResponse("pong")

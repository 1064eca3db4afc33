"""One shape for every error reply: RFC 9457 problem details."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from immich_aio.errors import AioError, InternalError, OverloadedError
from immich_aio.wire.problem import PROBLEM_MEDIA_TYPE, problem, status_of

log = logging.getLogger(__name__)


def install(app: Starlette) -> None:
    """Answer every error of this app as a problem; what we did not foresee is logged and a 500."""
    app.add_exception_handler(AioError, _raised)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(Exception, _raised)


def reply(error: AioError, path: str) -> Response:
    """The problem reply for one of our own errors."""
    headers = {}
    if isinstance(error, OverloadedError):
        headers["Retry-After"] = str(error.retry_after)
    return _response(problem(error, path), status_of(error), headers)


def reply_to(request: Request, error: Exception) -> Response:
    """The problem reply for whatever a handler raised; what is our own fault is logged."""
    if not isinstance(error, AioError):
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return reply(InternalError(), request.url.path)
    if isinstance(error, InternalError):
        log.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    return reply(error, request.url.path)


async def _raised(request: Request, error: Exception) -> Response:
    return reply_to(request, error)


async def _framework(request: Request, error: Exception) -> Response:
    """Starlette's own 404, 405 and the like, in the same shape."""
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for this class only
    body = {
        "type": "about:blank",
        "title": HTTPStatus(error.status_code).phrase,
        "status": error.status_code,
        "detail": str(error.detail),
        "instance": request.url.path,
    }
    return _response(body, error.status_code, dict(error.headers or {}))


def _response(body: dict[str, object], status: int, headers: dict[str, str]) -> Response:
    return Response(
        json.dumps(body, ensure_ascii=False), status, headers, media_type=PROBLEM_MEDIA_TYPE
    )

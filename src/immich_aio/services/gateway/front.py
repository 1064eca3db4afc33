"""The gateway's door: who comes in, under which id; ``/predict`` directly, the rest by Starlette.

What comes a hundred times a second goes no longer way than it must.
"""

from __future__ import annotations

import itertools
import re
import secrets
import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from immich_aio.errors import AioError, UnauthorizedError
from immich_aio.services.gateway.access import key_and_path
from immich_aio.services.gateway.gateway import Gateway
from immich_aio.services.http.errors import reply_to
from immich_aio.upstream.request_id import HEADER, REQUEST_ID

PREDICT = "/predict"

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PROCESS = secrets.token_hex(4)
_numbers = itertools.count(1)


class Front:
    """An ASGI app before ``others``, which answers all but ``/predict``."""

    def __init__(self, gateway: Gateway, others: ASGIApp) -> None:
        self._gateway = gateway
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or begin and end with the server."""
        if scope["type"] != "http":
            await self._others(scope, receive, send)
            return
        key, path = key_and_path(scope["path"])
        if path != scope["path"]:
            scope = {**scope, "path": path, "raw_path": path.encode()}
        request = Request(scope, receive)
        request_id = _id_of(request)
        REQUEST_ID.set(request_id)
        refusal = self._refusal(request, key)
        if refusal is not None:
            await self._refuse(request, refusal, send)
        elif path == PREDICT and scope["method"] == "POST":
            await self._predict(request, send)
        else:
            await self._others(scope, receive, _with_id(send, request_id))

    def _refusal(self, request: Request, key: str) -> AioError | None:
        access = self._gateway.config.access
        if access.is_open:
            return None
        peer = request.client.host if request.client else None
        return access.refusal(peer, request.headers, request.scope["path"], key)

    async def _refuse(self, request: Request, refusal: AioError, send: Send) -> None:
        response = reply_to(request, refusal)
        if isinstance(refusal, UnauthorizedError):  # so that a browser asks
            response.headers["WWW-Authenticate"] = 'Basic realm="immich-aio"'
        await self._send(request, response, send, "refused", 0)

    async def _predict(self, request: Request, send: Send) -> None:
        began = time.perf_counter()
        try:
            response = await self._gateway.predictor.answer(request)
        except Exception as error:  # noqa: BLE001  # whatever it is, there is one shape for it
            response = reply_to(request, error)
        await self._send(request, response, send, PREDICT, time.perf_counter() - began)

    async def _send(
        self, request: Request, response: Response, send: Send, route: str, seconds: float
    ) -> None:
        response.headers[HEADER] = REQUEST_ID.get()
        self._gateway.metrics.count_request(route, request.method, response.status_code, seconds)
        await response(request.scope, request.receive, send)


def _id_of(request: Request) -> str:
    """The caller's own id for the request, if it is one, or a new one."""
    given = request.headers.get(HEADER, "")
    return given if _ID.fullmatch(given) else f"{_PROCESS}-{next(_numbers):x}"


def _with_id(send: Send, request_id: str) -> Send:
    header = (HEADER.lower().encode(), request_id.encode())

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], header]
        await send(message)

    return sending

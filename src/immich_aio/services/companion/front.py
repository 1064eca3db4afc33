"""The companion's door: what is ours, what somebody may answer, and the rest, which is Immich's."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from immich_aio.errors import UpstreamError
from immich_aio.services.companion.asked import MAX_BODY, Asked, Instead, Interceptor
from immich_aio.services.companion.caller_side import Request
from immich_aio.services.companion.companion import Companion
from immich_aio.services.companion.exchange import Exchange
from immich_aio.services.companion.forwarding import Header
from immich_aio.services.companion.heads import value_of
from immich_aio.services.companion.protocol import CompanionProtocol

log = logging.getLogger(__name__)

OURS = "/aio"
METRICS = f"{OURS}/metrics"


class Front:
    """Decides who answers. As an ASGI app it has our own pages; the rest is its protocol's."""

    protocol = CompanionProtocol

    def __init__(self, companion: Companion, pages: ASGIApp) -> None:
        self._companion = companion
        self._pages = pages
        self.pool = companion.pool
        self.forwarding = companion.forwarding

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a page of ours, or begin and end with the server."""
        pages = self._pages
        if scope["type"] == "http" and scope["path"] == METRICS and not self._is_near(scope):
            pages = Response(status_code=404)
        await pages(scope, receive, send)

    def _is_near(self, scope: Scope) -> bool:
        """Whether somebody asks from a private network: the companion may stand open to all."""
        claimed = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
        peer = scope["client"][0] if scope["client"] else None
        address = self.forwarding.caller(peer, claimed)
        return address is not None and (address.is_private or address.is_link_local)

    def is_ours(self, path: str) -> bool:
        """Whether a path, as ``path_of`` gives it, is none of Immich's."""
        return path.startswith(OURS) and (path == OURS or path[len(OURS)] == "/")

    def interceptor(self, request: Request) -> Interceptor | None:
        """Who may answer in Immich's place."""
        for one in self._companion.features.interceptors:
            if one.concerns(request.method, request.path):
                return one if _can_be_read(request.headers) and not request.upgrade else None
        return None

    async def answer(self, interceptor: Interceptor, asked: Asked) -> Response | Instead | None:
        """What it says; None where it fails, for then Immich answers."""
        observed = self._companion.observation
        began = time.perf_counter()
        answer: Response | Instead | None = None
        try:
            async with asyncio.timeout(self._companion.config.timeout):
                answer = await interceptor.answer(asked)
        except TimeoutError:
            observed.failed(interceptor, "timeout")
            log.warning("%s %s took us too long; Immich answers.", asked.method, asked.path)
        except Exception:
            observed.failed(interceptor, "error")
            log.exception("%s %s failed here; Immich answers.", asked.method, asked.path)
        else:
            observed.answered(interceptor, asked, answer, time.perf_counter() - began)
        return answer

    def relayed(self, exchange: Exchange, status: int) -> None:
        """A reply of Immich's has begun."""
        self._companion.observation.relayed(exchange, status)

    def failed(self, exchange: Exchange, error: UpstreamError) -> None:
        """Immich gave none."""
        self._companion.observation.unanswered(exchange, error)


def _can_be_read(headers: Sequence[Header]) -> bool:
    """Whether a body is JSON, and not known to be longer than is read ahead."""
    kind = value_of(headers, b"content-type").partition(b";")[0].strip().lower()
    encoding = value_of(headers, b"content-encoding").strip().lower()
    length = value_of(headers, b"content-length")
    fits = not length.isdigit() or int(length) <= MAX_BODY
    return kind == b"application/json" and encoding in (b"", b"identity") and fits

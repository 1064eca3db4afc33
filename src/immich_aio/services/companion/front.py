"""The companion's door: what is ours, what somebody may answer, and the rest, which is Immich's."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from immich_aio.services.companion.asked import MAX_BODY, Asked, Instead, Interceptor, path_of
from immich_aio.services.companion.companion import Companion

log = logging.getLogger(__name__)

OURS = "/aio"


class Front:
    """An ASGI app before ``pages``, which are those below ``/aio``."""

    def __init__(self, companion: Companion, pages: ASGIApp) -> None:
        self._companion = companion
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or begin and end with the server."""
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        target = _target(scope)
        path = path_of(target)
        if path == OURS or path.startswith(OURS + "/"):
            await self._pages(scope, receive, send)
            return
        interceptor = self._interceptor(scope["method"], path)
        if interceptor is None:
            await self._companion.relay.relay(scope, receive, send, target)
        else:
            await self._asked(interceptor, scope, receive, send, target)

    def _interceptor(self, method: str, path: str) -> Interceptor | None:
        for one in self._companion.features.interceptors:
            if one.concerns(method, path):
                return one
        return None

    async def _asked(
        self, interceptor: Interceptor, scope: Scope, receive: Receive, send: Send, target: str
    ) -> None:
        read = await _read_ahead(scope, receive)
        answer: Response | Instead | None = None
        if read.whole is not None:
            client = scope["client"][0] if scope["client"] else None
            asked = Asked(
                scope["method"], path_of(target), target, Headers(scope=scope), read.whole, client
            )
            answer = await self._answer(interceptor, asked)
        if isinstance(answer, Response):
            await answer(scope, receive, send)
        elif answer is None:
            await self._companion.relay.relay(scope, read.again(receive), send, target)
        else:
            path, mark, query = target.partition("?")
            await self._companion.relay.relay(
                scope, receive, send, (answer.path or path) + mark + query, answer.body
            )

    async def _answer(self, interceptor: Interceptor, asked: Asked) -> Response | Instead | None:
        try:
            async with asyncio.timeout(self._companion.config.timeout):
                return await interceptor.answer(asked)
        except TimeoutError:
            log.warning("%s %s took too long; Immich answers.", asked.method, asked.path)
        except Exception:
            log.exception("%s %s failed; Immich answers.", asked.method, asked.path)
        return None


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of a body before it was decided who answers."""

    messages: tuple[Message, ...]
    whole: bytes | None

    def again(self, receive: Receive) -> Receive:
        """A ``receive`` that gives it once more, and then what follows."""
        left = list(self.messages)

        async def receiving() -> Message:
            return left.pop(0) if left else await receive()

        return receiving


async def _read_ahead(scope: Scope, receive: Receive) -> _Read:
    if not _is_json(Headers(scope=scope)):
        return _Read((), None)
    messages, size, more = [], 0, True
    while more and size <= MAX_BODY:
        message = await receive()
        messages.append(message)
        if message["type"] == "http.disconnect":
            return _Read(tuple(messages), None)
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    whole = None if more else b"".join(message.get("body", b"") for message in messages)
    return _Read(tuple(messages), whole)


def _is_json(headers: Headers) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = headers.get("content-encoding", "identity").strip().lower()
    return kind == "application/json" and encoding == "identity"


def _target(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return (raw + (b"?" + query if query else b"")).decode("latin-1")

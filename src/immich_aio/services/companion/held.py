"""A request whose body is read before it is decided who answers it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp

from immich_aio.services.companion.asked import MAX_BODY, Asked, Instead
from immich_aio.services.companion.caller_side import Caller, Request
from immich_aio.services.companion.exchange import Exchange
from immich_aio.services.companion.heads import without
from immich_aio.upstream.connection_pool import ConnectionPool

Ask = Callable[[Asked], Awaitable[Response | Instead | None]]
"""Asks an interceptor; never raises."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HeldCaller(Caller, Protocol):
    """A caller who can be answered in Immich's place."""

    def answer(self, exchange: Exchange, response: ASGIApp) -> None:
        """Answer with that."""
        ...


class Held(Exchange):
    """Goes to Immich when nobody else answers, or when its body is longer than is read ahead."""

    def __init__(
        self,
        request: Request,
        caller: HeldCaller,
        pool: ConnectionPool,
        ask: Ask,
        *,
        keep_alive: bool,
    ) -> None:
        self._expects = any(name == b"expect" for name, _ in request.headers)
        kept = replace(request, headers=without(request.headers, (b"expect",)))
        super().__init__(kept, caller, pool, keep_alive=keep_alive)
        self._answers = caller
        self._ask = ask
        self._asking: asyncio.Task[None] | None = None
        self._body = bytearray()
        self._is_turn = self._is_read = self._is_immichs = False

    def start(self) -> None:
        """It is this request's turn."""
        self._is_turn = True
        if self._expects:
            self._answers.write(CONTINUE)
        self._decide()

    def body(self, data: bytes) -> None:
        """A piece of the body has come."""
        if self._is_immichs:
            super().body(data)
        else:
            self._body += data
            self._decide()

    def body_ends(self) -> None:
        """It is whole."""
        self._is_read = True
        if self._is_immichs:
            super().body_ends()
        else:
            self._decide()

    def caller_gone(self) -> None:
        """Nobody wants an answer any more."""
        super().caller_gone()
        if self._asking is not None:
            self._asking.cancel()

    def _decide(self) -> None:
        if len(self._body) > MAX_BODY:
            if self._is_turn:
                self._to_immich()
            else:
                self._answers.pause(self)
        elif self._is_turn and self._is_read:
            self._asking = asyncio.get_running_loop().create_task(self._asked())

    async def _asked(self) -> None:
        request = self.request
        asked = Asked(
            method=request.method,
            path=request.path,
            target=request.target.decode("latin-1"),
            headers=Headers(raw=list(request.headers)),
            body=bytes(self._body),
            client=request.origin.peer.decode() or None,
        )
        answer = await self._ask(asked)
        if isinstance(answer, Response):
            self._answers.answer(self, answer)
            return
        if answer is not None:
            self._body = bytearray(answer.body)
            self.request = _instead(request, answer)
            self._chunked_body = False
        self._to_immich()

    def _to_immich(self) -> None:
        """Go on as any other exchange: what was read goes out with the head."""
        self._is_immichs = True
        if self._body:
            super().body(bytes(self._body))
            self._body.clear()
        if self._is_read:
            super().body_ends()
        super().start()


def _instead(request: Request, instead: Instead) -> Request:
    """The request with another body, and maybe another path."""
    path, mark, query = request.target.partition(b"?")
    target = (instead.path.encode() or path) + mark + query
    headers = without(request.headers, (b"content-length", b"transfer-encoding"))
    length = b"%d" % len(instead.body)
    return replace(request, target=target, headers=[*headers, (b"content-length", length)])

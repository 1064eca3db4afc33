"""A caller's connection: requests are read once, and go to Immich, to an interceptor, or to us.

Most are Immich's, and those go through without a task, a queue or a copy of their own.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import TYPE_CHECKING, Any

import httptools
from starlette.types import ASGIApp
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from immich_aio.errors import UpstreamError
from immich_aio.services.companion.asked import path_of
from immich_aio.services.companion.caller_side import Request
from immich_aio.services.companion.deadlines import Deadlines
from immich_aio.services.companion.exchange import Exchange
from immich_aio.services.companion.forwarding import Origin
from immich_aio.services.companion.heads import RequestHeads
from immich_aio.services.companion.held import Held
from immich_aio.services.companion.refusals import (
    HEAD_TOO_LARGE,
    HEAD_TOO_SLOW,
    MALFORMED,
    unreachable,
)
from immich_aio.services.http.protocol import LeanProtocol

if TYPE_CHECKING:
    from immich_aio.services.companion.front import Front

log = logging.getLogger(__name__)

MAX_HEAD = 64 * 1024
"""Bytes of the largest head; Immich itself refuses more than a quarter of that."""


class CompanionProtocol(LeanProtocol):
    """uvicorn's protocol for what is ours, and a relay for everything else."""

    front: Front
    cycle: Any
    """The request that is read at the moment: an exchange of ours, or a cycle of uvicorn's."""

    def __init__(self, *args: Any, **more: Any) -> None:  # noqa: ANN401  # uvicorn's own
        super().__init__(*args, **more)
        self.front = self.config.app  # type: ignore[assignment]  # the app that brought us
        self._current: Any = None
        self._pipe: Exchange | None = None
        self._origin = Origin(b"")
        self._heads = RequestHeads(self._origin)
        self._in_head = True
        self._in_request = False
        self._head_size = 0
        self._deadlines = Deadlines(
            self.loop, self.timeout_keep_alive, self._is_busy, self._too_late
        )

    # ---- What the event loop calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller is there."""
        super().connection_made(transport)
        peer = self.client[0] if self.client else None
        self._origin = self.front.forwarding.origin(peer, self.scheme or "http")
        self._heads = RequestHeads(self._origin)
        self._deadlines.await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller has gone, and with it every wish for a reply."""
        self._deadlines.close()
        waiting = [cycle for cycle, _ in self.pipeline]
        for one in (self._current, self.cycle, *waiting):
            if isinstance(one, Exchange):
                one.caller_gone()
            elif one is not None and not one.response_complete:
                one.disconnected = True
                one.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something of a request, or of what a WebSocket carries."""
        if self._pipe is not None:
            if not self._pipe.response_complete:
                self._pipe.body(data)
            return
        if self._in_head:
            self._head_size += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgraded(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if isinstance(error, httptools.HttpParserCallbackError):
                log.exception("A request could not be taken in.")
            self._refuse(MALFORMED)
        else:
            if self._in_head and self._head_size > MAX_HEAD:
                self._refuse(HEAD_TOO_LARGE)
            elif self._in_head:
                self._deadlines.await_head()

    def pause_writing(self) -> None:
        """The caller is slow."""
        super().pause_writing()
        if isinstance(self._current, Exchange):
            self._current.caller_full()

    def resume_writing(self) -> None:
        """It has caught up."""
        super().resume_writing()
        if isinstance(self._current, Exchange):
            self._current.caller_drained()
        elif self._current is None and self.transport is not None:
            self._begin_next()

    def shutdown(self) -> None:
        """The server ends: a WebSocket would never end by itself."""
        if self._pipe is not None:
            self.transport.close()
        else:
            super().shutdown()

    # ---- What the parser calls

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = self._in_request = True
        self._head_size = 0

    def on_headers_complete(self) -> None:
        """Its head is whole: now it is decided who answers."""
        self._in_head = False
        self._deadlines.head_came()
        method, target = self.parser.get_method().decode("ascii"), self.url
        path = path_of(target.decode("latin-1"))
        if self.front.is_ours(path):
            super().on_headers_complete()
            return
        version = self.parser.get_http_version()
        origin, heads = self._origin, self._heads
        request = Request(method, target, version, self.headers, origin, heads, path)
        if self.parser.should_upgrade() and self._get_upgrade() == b"websocket":
            names = request.names
            request.upgrade = not (b"content-length" in names or b"transfer-encoding" in names)
        keep_alive = version != "1.0" and self.parser.should_keep_alive()
        self._take_up(self._exchange(request, keep_alive=keep_alive))

    def on_body(self, body: bytes) -> None:
        """A piece of its body has come."""
        if not isinstance(self.cycle, Exchange):
            super().on_body(body)
        elif not self.cycle.response_complete:
            self.cycle.body(body)

    def on_message_complete(self) -> None:
        """It is whole."""
        self._in_request = False
        if not isinstance(self.cycle, Exchange):
            super().on_message_complete()
        elif not self.cycle.response_complete:
            self.cycle.body_ends()

    def on_response_complete(self) -> None:
        """A reply is whole: the next request on this connection has its turn.

        As uvicorn's own, but for the timer of idle connections, which is not set anew each time.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._current = None
        self.flow.resume_reading()
        self._begin_next()

    # ---- What an exchange calls: see ``Caller``

    def write(self, data: bytes) -> None:
        """See ``Caller``."""
        self.transport.write(data)

    def pause(self, exchange: Exchange) -> None:
        """See ``Caller``. What is read at the moment is the body of the last request."""
        if exchange is self.cycle:
            self.flow.pause_reading()

    def resume(self, exchange: Exchange) -> None:
        """See ``Caller``."""
        if exchange is self.cycle:
            self.flow.resume_reading()

    def begun(self, exchange: Exchange, status: int) -> None:
        """See ``Caller``."""
        self.front.relayed(exchange, status)

    def finished(self, exchange: Exchange) -> None:
        """See ``Caller``."""
        if exchange.is_pipe or not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def failed(self, exchange: Exchange, error: UpstreamError) -> None:
        """See ``Caller``."""
        self.front.failed(exchange, error)
        self.write(unreachable(exchange.request, keep_alive=exchange.keep_alive))
        self.finished(exchange)

    def hang_up(self) -> None:
        """See ``Caller``."""
        self.transport.close()

    def answer(self, exchange: Exchange, response: ASGIApp) -> None:
        """Answer in Immich's place, as one of our own pages is answered."""
        exchange.response_complete = True
        cycle = RequestResponseCycle(
            scope=exchange.request.scope,  # type: ignore[arg-type]  # a type of uvicorn's own
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=exchange.keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        if self.cycle is exchange:
            self.cycle = cycle
        self._start_asgi_task(cycle, response)  # type: ignore[arg-type]  # Starlette's own type

    # ----

    def _exchange(self, request: Request, *, keep_alive: bool) -> Exchange:
        interceptor = self.front.interceptor(request)
        if interceptor is None:
            return Exchange(request, self, self.front.pool, keep_alive=keep_alive)
        ask = functools.partial(self.front.answer, interceptor)
        return Held(request, self, self.front.pool, ask, keep_alive=keep_alive)

    def _take_up(self, exchange: Exchange) -> None:
        """Begin with it, or have it wait until those before it are answered."""
        before, self.cycle = self.cycle, exchange
        if (before is None or before.response_complete) and not self.flow.write_paused:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _begin_next(self) -> None:
        """Begin with the next of those that wait, when the caller has taken what was for it."""
        if not self.pipeline:
            self._deadlines.idle()
        elif not self.flow.write_paused:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)

    def _start_asgi_task(self, cycle: Any, app: ASGI3Application) -> None:  # noqa: ANN401  # either kind
        """See uvicorn, which calls it too: when the turn of one that waited has come."""
        self._current = cycle
        if isinstance(cycle, Exchange):
            cycle.start()
        else:
            super()._start_asgi_task(cycle, app)

    def _upgraded(self, rest: bytes) -> None:
        """What follows is HTTP no more, if it is to be a WebSocket."""
        if isinstance(self.cycle, Exchange) and self.cycle.request.upgrade:
            self._pipe = self.cycle
        elif not isinstance(self.cycle, Exchange) and self._should_upgrade():
            self.handle_websocket_upgrade()
            return
        if rest:
            self.data_received(rest)

    def _refuse(self, refusal: bytes) -> None:
        """Answer a request that cannot be read, and hang up."""
        current = self._current
        if current is None or current.response_complete:
            self.write(refusal)
            self.transport.close()
        elif self._in_head:  # those before it are answered, and nothing more is read
            current.keep_alive = False
            self.flow.pause_reading()
        elif isinstance(current, Exchange):
            current.caller_gone()
            if not current.has_begun:
                self.write(refusal)
            self.transport.close()
        else:
            self.send_400_response("Invalid HTTP request received.")

    def _is_busy(self) -> bool:
        return self._current is not None or self._in_request

    def _too_late(self) -> None:
        """A head did not come in time, or nothing for long."""
        if self._in_head and self._in_request:
            self._refuse(HEAD_TOO_SLOW)
        else:
            self.transport.close()

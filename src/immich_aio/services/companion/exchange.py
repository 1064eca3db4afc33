"""One request on its way to Immich, and its reply on its way back; neither is kept.

Whoever is slower holds up the other: a full connection to Immich pauses the caller, and a slow
caller Immich.
"""

from __future__ import annotations

import asyncio
import time

from immich_aio.errors import UnreachableError, UpstreamError
from immich_aio.services.companion import html
from immich_aio.services.companion.caller_side import Caller, Request
from immich_aio.services.companion.forwarding import Header
from immich_aio.services.companion.heads import (
    CHUNKED,
    CLOSE,
    OF_REWRITTEN,
    reply_head,
    switching_head,
    upgrade_head,
    without,
)
from immich_aio.upstream.connection import BODYLESS, Connection, ReplyHead
from immich_aio.upstream.connection_pool import ConnectionPool

AHEAD = 64 * 1024
"""Bytes of a body that are taken in while there is no connection to Immich yet."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""What may be asked twice: it changes nothing."""


class Exchange:
    """A request and its reply, as they pass. uvicorn sees one of its cycles in it."""

    def __init__(
        self, request: Request, caller: Caller, pool: ConnectionPool, *, keep_alive: bool
    ) -> None:
        self.request = request
        self.keep_alive = keep_alive
        self.began = time.perf_counter()
        self.response_complete = False
        self.disconnected = False
        self.message_event = _NOBODY_WAITS
        self.is_pipe = False
        self._caller = caller
        self._pool = pool
        self._chunked_body = b"transfer-encoding" in request.names
        self._chunked_reply = False
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._whole = False
        self._body_sent = False
        self._begun = False
        self._page: _Page | None = None
        self._may_be_page = html.may_be_page(request.method, request.path, request.headers)
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[None] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the caller has got the head of the reply."""
        return self._begun

    # ---- The request

    def start(self) -> None:
        """Ask Immich, now that it is this request's turn."""
        connection = self._pool.take()
        if connection is None:
            self._connect()
        else:
            self._send_over(connection)

    def body(self, data: bytes) -> None:
        """A piece of the body has come."""
        if self._chunked_body:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if self._connection is not None:
            self._body_sent = True
            self._connection.write(data)
            return
        self._pending.append(data)
        self._pending_size += len(data)
        if self._pending_size > AHEAD:
            self._caller.pause(self)

    def body_ends(self) -> None:
        """It is whole."""
        self._whole = True
        end = b"0\r\n\r\n" if self._chunked_body else b""
        if self._connection is None:
            self._pending.append(end)
        else:
            if end:
                self._connection.write(end)
            self._connection.sent()

    # ---- The caller

    def caller_gone(self) -> None:
        """Nobody wants the reply any more; Immich is told by a lost connection."""
        self.response_complete = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.abandon(softly=self.is_pipe)
            self._connection = None

    def caller_full(self) -> None:
        """The caller takes no more at the moment."""
        if self._connection is not None:
            self._connection.pause()

    def caller_drained(self) -> None:
        """It does again."""
        if self._connection is not None:
            self._connection.resume()

    # ---- The reply: see ``Receiver``

    def pause_sending(self) -> None:
        """See ``Receiver``."""
        self._caller.pause(self)

    def resume_sending(self) -> None:
        """See ``Receiver``."""
        self._caller.resume(self)

    def reply_informs(self, status: int, reason: bytes, headers: list[Header]) -> None:
        """See ``Receiver``. HTTP/1.0 knows no such thing."""
        if self.request.version == "1.1":
            self._caller.write(reply_head(status, reason, headers, b""))

    def reply_begins(self, reply: ReplyHead) -> None:
        """See ``Receiver``."""
        self._begun = True
        self._caller.begun(self, reply.status)
        if reply.status == 101:
            self.is_pipe = True
            self._caller.write(switching_head(reply.reason, reply.headers))
        elif self._may_be_page and html.is_page(reply.headers):
            self._page = _Page(reply)
        else:
            self._write_head(reply)

    def reply_goes_on(self, data: bytes) -> None:
        """See ``Receiver``."""
        if self._page is not None:
            self._page.body += data
            if len(self._page.body) > html.MAX_PAGE:
                self._write_page_as_it_is(self._page)
        elif self._chunked_reply:
            self._caller.write(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self._caller.write(data)

    def reply_ends(self) -> None:
        """See ``Receiver``."""
        self._connection = None
        if self._page is not None:
            self._write_page(self._page)
        elif self._chunked_reply:
            self._caller.write(b"0\r\n\r\n")
        self.response_complete = True
        self._caller.finished(self)

    def reply_breaks(self, why: str) -> None:
        """See ``Receiver``. What Immich hung up on may be its restart, or a connection that it
        closed just as we used it again; what changes nothing is asked once more then.
        """
        connection, self._connection = self._connection, None
        if self._begun and self._page is None:
            self.response_complete = True
            self._caller.hang_up()
        elif connection is not None and connection.used and self._may_be_repeated:
            self._connect()
        else:
            self._fail(UpstreamError(f"Immich at {self._pool.url} failed: {why}."))

    # ----

    @property
    def _may_be_repeated(self) -> bool:
        return self.request.method in SAFE and self._whole and not self._body_sent

    def _connect(self) -> None:
        self._connecting = asyncio.get_running_loop().create_task(self._connected())

    async def _connected(self) -> None:
        try:
            connection = await self._pool.connect()
        except UnreachableError as error:
            self._fail(error)
        else:
            self._send_over(connection)
        finally:
            self._connecting = None

    def _send_over(self, connection: Connection) -> None:
        """Send the head, and as much of the body as has come, in one piece."""
        self._connection = connection
        pieces = [self._head(), *self._pending]
        self._body_sent = any(self._pending)
        self._pending = []
        connection.send(self, self.request.method, b"".join(pieces), whole=self._whole)
        if self._pending_size > AHEAD:
            self._caller.resume(self)

    def _head(self) -> bytes:
        request = self.request
        if request.upgrade:
            return upgrade_head(request.target, request.headers, request.origin)
        headers, framing = request.headers, CHUNKED if self._chunked_body else b""
        if self._may_be_page:
            headers = without(headers, OF_REWRITTEN)
            framing += b"accept-encoding: identity\r\n"
        first = (request.method, request.target, request.version)
        return request.heads.head(first, headers, framing)

    def _write_head(self, reply: ReplyHead) -> None:
        framing = b""
        bodyless = reply.status in BODYLESS or self.request.method == "HEAD"
        if not bodyless and not reply.has_length:
            if self.request.version == "1.1":
                self._chunked_reply, framing = True, CHUNKED
            else:
                self.keep_alive = False
        if self.request.upgrade:  # its connection was to become a WebSocket, and cannot be read now
            self.keep_alive = False
        if not self.keep_alive:
            framing += CLOSE
        self._caller.write(reply_head(reply.status, reply.reason, reply.headers, framing))

    def _write_page(self, page: _Page) -> None:
        body = html.with_script(bytes(page.body))
        page.head.headers = html.rewritten(page.head.headers, len(body))
        page.head.has_length = True
        self._write_head(page.head)
        self._caller.write(body)

    def _write_page_as_it_is(self, page: _Page) -> None:
        self._page = None
        self._write_head(page.head)
        self.reply_goes_on(bytes(page.body))

    def _fail(self, error: UpstreamError) -> None:
        self.response_complete = True
        self._caller.failed(self, error)


class _Page:
    """A page that is taken in, for our script is to come into it."""

    def __init__(self, head: ReplyHead) -> None:
        self.head = head
        self.body = bytearray()


class _NobodyWaits:
    """In place of the event by which uvicorn wakes its cycles."""

    def set(self) -> None:
        """Nobody is woken."""


_NOBODY_WAITS = _NobodyWaits()

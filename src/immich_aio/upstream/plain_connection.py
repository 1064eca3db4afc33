"""One connection of plain HTTP/1.1: what is written goes to the system as it is, and a parser in C
reads what comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import httptools
from multidict import CIMultiDict

BODILESS = (204, 304)


class BrokenReplyError(Exception):
    """The server hung up before it had answered, or what it said is no HTTP."""


class EndlessReplyError(Exception):
    """The reply has more bytes than are read."""


@dataclass(frozen=True, slots=True)
class PlainReply:
    """A reply that was read to its end."""

    status: int
    headers: CIMultiDict[str]
    body: bytes


class PlainConnection(asyncio.Protocol):
    """Takes one request after the other; of a reply at most ``max_reply`` bytes are read."""

    def __init__(self, max_reply: int) -> None:
        self._max_reply = max_reply
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[PlainReply] | None = None
        self._heard = False
        self._timer: asyncio.TimerHandle | None = None
        self._begin()

    @property
    def is_reusable(self) -> bool:
        """Whether another request can be written."""
        transport = self._transport
        return (
            transport is not None
            and self._answer is None
            and not transport.is_closing()
            and not transport.get_write_buffer_size()  # answered before it had all
        )

    async def exchange(self, pieces: Sequence[bytes], seconds: float) -> PlainReply:
        """Write a request and read the reply; ``seconds`` is how long nothing may be heard.

        Raises BrokenReplyError, EndlessReplyError or TimeoutError; the connection must then be
        closed, and when this is cancelled.
        """
        assert self._transport is not None  # noqa: S101  # it is connected before anyone has it
        answer: asyncio.Future[PlainReply] = asyncio.get_running_loop().create_future()
        self._answer = answer
        self._look_in(seconds)
        try:
            self._transport.writelines(pieces)
            return await answer
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def close(self) -> None:
        """Hang up, whatever is under way."""
        self._fail(BrokenReplyError("hung up"))
        if self._transport is not None:
            self._transport.abort()

    def _look_in(self, seconds: float) -> None:
        self._heard = False
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look, seconds)

    def _look(self, seconds: float) -> None:
        """Give up where nothing was heard since the last look."""
        if self._heard:
            self._look_in(seconds)
        else:
            self._fail(TimeoutError())

    # ---- What the event loop calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See ``asyncio.Protocol``."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        self._heard = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            # What a callback raises comes wrapped.
            cause = error.__context__
            self._fail(cause if isinstance(cause, EndlessReplyError) else BrokenReplyError(error))
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        if error is None and self._is_until_closed:
            self._complete()
        self._fail(BrokenReplyError(error or "the server hung up"))
        self._transport = None

    # ---- What the parser calls

    def on_message_begin(self) -> None:
        """A reply begins, which somebody must have asked for."""
        if self._answer is None:
            raise BrokenReplyError

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of the head."""
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        status, told = self._parser.get_status_code(), CIMultiDict(self._headers)
        is_framed = "Content-Length" in told or "Transfer-Encoding" in told
        self._is_until_closed = status >= 200 and status not in BODILESS and not is_framed
        if int(told.get("Content-Length", 0)) > self._max_reply:
            raise EndlessReplyError

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._size += len(body)
        if self._size > self._max_reply:
            raise EndlessReplyError
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The reply is complete, unless it was an interim one."""
        if self._parser.get_status_code() >= 200:
            self._complete()
        else:
            self._headers.clear()

    def _complete(self) -> None:
        answer, parser = self._answer, self._parser
        if answer is None or answer.done():
            return
        headers = CIMultiDict(self._headers)
        reply = PlainReply(parser.get_status_code(), headers, b"".join(self._body))
        keeps = parser.should_keep_alive() and not self._is_until_closed
        self._answer = None
        self._begin()
        answer.set_result(reply)
        if not keeps and self._transport is not None:
            self._transport.close()

    def _fail(self, error: Exception) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)

    def _begin(self) -> None:
        """Make ready for a reply."""
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []
        self._size = 0
        self._is_until_closed = False

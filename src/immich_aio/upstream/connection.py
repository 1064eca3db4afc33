"""A connection for relaying: a request goes out as bytes, its reply comes as it comes.

Nothing is kept of either: whoever has the reply says when to pause, and is told when to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import httptools

log = logging.getLogger(__name__)

Header = tuple[bytes, bytes]

BODYLESS = (204, 304)


@dataclass(slots=True)
class ReplyHead:
    """The head of a reply; ``has_length`` says whether it tells its body's."""

    status: int
    reason: bytes
    headers: list[Header]
    has_length: bool = False
    is_chunked: bool = False


class Receiver(Protocol):
    """Whoever a reply is for. Nothing is told after ``reply_ends`` and ``reply_breaks``."""

    def reply_informs(self, status: int, reason: bytes, headers: list[Header]) -> None:
        """An interim reply (1xx) has come."""
        ...

    def reply_begins(self, reply: ReplyHead) -> None:
        """The head of the reply has come."""
        ...

    def reply_goes_on(self, data: bytes) -> None:
        """A piece of its body has come."""
        ...

    def reply_ends(self) -> None:
        """It is whole."""
        ...

    def reply_breaks(self, why: str) -> None:
        """It will never be whole."""
        ...

    def pause_sending(self) -> None:
        """Immich takes no more at the moment."""
        ...

    def resume_sending(self) -> None:
        """It does again."""
        ...


class Connection(asyncio.Protocol):
    """One connection, for one request at a time; ``when_free`` gets it back if it is still good.

    After a 101 it is a pipe: what comes is passed on as it is.
    """

    def __init__(self, when_free: Callable[[Connection], None]) -> None:
        self._when_free = when_free
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._receiver: Receiver | None = None
        self._paused = False
        self._begin("", whole=False)
        self.used = False
        """Whether it has answered before: then it may be closing while we write."""
        self.idle_seconds = 1.0
        """How long it may rest unused: less than Immich leaves it open."""
        self.free_since = 0.0

    @property
    def is_open(self) -> bool:
        """Whether something can be written."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, receiver: Receiver, method: str, head: bytes, *, whole: bool) -> None:
        """Send the head of a request; a ``whole`` one has no body that follows."""
        self._receiver = receiver
        self._begin(method, whole=whole)
        self.write(head)

    def send_whole(self, receiver: Receiver, method: str, pieces: Sequence[bytes]) -> None:
        """Send a request, of which the first piece is the head, in one call to the system."""
        assert self._transport is not None  # noqa: S101  # it was given when connected
        self._receiver = receiver
        self._begin(method, whole=True)
        self._transport.writelines(pieces)

    def write(self, data: bytes) -> None:
        """Send a piece of the body."""
        assert self._transport is not None  # noqa: S101  # it was given when connected
        self._transport.write(data)

    def sent(self) -> None:
        """The request is whole."""
        self._sent = True

    def pause(self) -> None:
        """Take no more of the reply from Immich."""
        if self.is_open and not self._paused:
            self._paused = True
            assert self._transport is not None  # noqa: S101  # it is open
            self._transport.pause_reading()

    def resume(self) -> None:
        """Go on with the reply."""
        if self.is_open and self._paused:
            self._paused = False
            assert self._transport is not None  # noqa: S101  # it is open
            self._transport.resume_reading()

    def abandon(self, *, softly: bool = False) -> None:
        """Hang up: nobody wants the reply any more. ``softly`` sends first what is not sent yet."""
        self._receiver = None
        if self._transport is not None:
            (self._transport.close if softly else self._transport.abort)()

    # ---- What the event loop calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See ``asyncio.Protocol``."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        receiver = self._receiver
        if self._is_pipe and receiver is not None:
            receiver.reply_goes_on(data)
            return
        if receiver is None:  # nobody asked
            self.abandon()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._become_pipe(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if isinstance(error, httptools.HttpParserCallbackError):
                log.exception("A reply could not be passed on.")
            if not self._ended:
                self.hang_up(f"it answered what is no HTTP ({error})")
        if self._ended:
            self._finish()

    def eof_received(self) -> None:
        """See ``asyncio.Protocol``: the connection is closed then."""

    def connection_lost(self, error: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        if self._receiver is None:
            return
        if error is None and (self._is_pipe or self._until_close):
            receiver, self._receiver = self._receiver, None
            receiver.reply_ends()
        else:
            self.hang_up("the connection was lost")

    def pause_writing(self) -> None:
        """See ``asyncio.BaseProtocol``."""
        if self._receiver is not None:
            self._receiver.pause_sending()

    def resume_writing(self) -> None:
        """See ``asyncio.BaseProtocol``."""
        if self._receiver is not None:
            self._receiver.resume_sending()

    # ---- What the parser calls

    def on_message_begin(self) -> None:
        """See ``httptools``. A reply that nobody asked for spoils the connection."""
        if self._receiver is None:
            self._reusable = False
        self._reason = b""
        self._headers: list[Header] = []
        self._in_body = False

    def on_status(self, reason: bytes) -> None:
        """See ``httptools``."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """See ``httptools``. What follows a chunked body is not passed on."""
        if not self._in_body:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """See ``httptools``."""
        receiver, status = self._receiver, self._parser.get_status_code()
        if receiver is None:
            return
        if 100 <= status < 200 and status != 101:
            receiver.reply_informs(status, self._reason, self._headers)
            return
        self._in_body = True
        self._is_final = True
        self._reusable = self._parser.should_keep_alive()
        head = ReplyHead(status, self._reason, self._headers)
        self._look_at(head)
        receiver.reply_begins(head)
        if self._method == "HEAD":
            self._end()

    def on_body(self, data: bytes) -> None:
        """See ``httptools``."""
        if self._receiver is not None and not self._ended:
            self._receiver.reply_goes_on(data)
        else:
            self._reusable = False  # more than was announced

    def on_message_complete(self) -> None:
        """See ``httptools``."""
        if self._is_final and not self._ended and self._parser.get_status_code() != 101:
            self._end()

    # ----

    def _begin(self, method: str, *, whole: bool) -> None:
        self._method = method
        self._sent = whole
        self._is_final = self._ended = self._until_close = self._is_pipe = False
        self._reusable = False

    def _look_at(self, head: ReplyHead) -> None:
        """See how the body ends, and how long Immich keeps the connection."""
        for name, value in head.headers:
            match name.lower():
                case b"content-length":
                    head.has_length = True
                case b"transfer-encoding":
                    head.is_chunked = True
                case b"keep-alive":
                    self._note_how_long(value)
        bodyless = head.status in BODYLESS or self._method == "HEAD"
        self._until_close = not (bodyless or head.has_length or head.is_chunked)

    def _end(self) -> None:
        """The reply is whole; the parser is still at work."""
        self._ended = True
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.reply_ends()

    def _finish(self) -> None:
        """Rest until the next request, or close."""
        self._ended = False
        if self._method == "HEAD":  # it expects the body that a HEAD does not have
            self._parser = httptools.HttpResponseParser(self)
        if self._reusable and self._sent and self._has_nothing_to_send():
            self.used = True
            self.resume()
            self._when_free(self)
        else:
            self.abandon()

    def _has_nothing_to_send(self) -> bool:
        """Whether it is open and idle; who answers before it has all may never read the rest."""
        transport = self._transport
        return self.is_open and transport is not None and not transport.get_write_buffer_size()

    def _note_how_long(self, keep_alive: bytes) -> None:
        seconds = keep_alive.lower().partition(b"timeout=")[2].partition(b",")[0].strip()
        if seconds.isdigit():
            self.idle_seconds = max(0.0, int(seconds) - 1.0)

    def _become_pipe(self, rest: bytes) -> None:
        self._is_pipe = True
        if rest and self._receiver is not None:
            self._receiver.reply_goes_on(rest)

    def hang_up(self, why: str) -> None:
        """Close it, and tell whoever waits for a reply."""
        receiver, self._receiver = self._receiver, None
        if self._transport is not None:
            self._transport.abort()
        if receiver is not None:
            receiver.reply_breaks(why)

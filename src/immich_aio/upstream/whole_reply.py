"""Whole replies to what is in memory, over kept connections, with as little work as that takes.

By way of a general client, passing a photo on takes nearly twice the CPU.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from multidict import CIMultiDict
from yarl import URL

from immich_aio.upstream.connection import ReplyHead
from immich_aio.upstream.connection_pool import ConnectionPool


class BrokenReplyError(Exception):
    """The server hung up before it had answered, or what it said is no HTTP."""


class EndlessReplyError(Exception):
    """The reply has more bytes than are read."""


@dataclass(frozen=True, slots=True)
class WholeReply:
    """A reply that was read to its end."""

    status: int
    headers: CIMultiDict[str]
    body: bytes


async def whole_reply(
    pool: ConnectionPool, head: bytes, pieces: Sequence[bytes], seconds: float, max_bytes: int
) -> WholeReply:
    """What is answered to a POST; ``seconds`` is how long nothing may be heard.

    Raises UnreachableError, BrokenReplyError, EndlessReplyError or TimeoutError.
    """
    connection = pool.take() or await pool.connect()
    collector = _Collector(seconds, max_bytes)
    try:
        connection.send_whole(collector, "POST", [head, *pieces])
        return await collector.reply
    except BaseException:
        connection.abandon()
        raise
    finally:
        collector.forget()


def post_head(url: URL, headers: Mapping[str, str], pieces: Sequence[bytes]) -> bytes:
    """The beginning of a request; headers without a value are left out."""
    lines = [f"POST {url.raw_path_qs} HTTP/1.1", f"Host: {url.host_port_subcomponent}"]
    if url.user is not None:
        secret = base64.b64encode(f"{url.user}:{url.password or ''}".encode()).decode()
        lines.append(f"Authorization: Basic {secret}")
    lines += [f"{name}: {value}" for name, value in headers.items() if value]
    lines.append(f"Content-Length: {sum(map(len, pieces))}\r\n\r\n")
    return "\r\n".join(lines).encode("latin-1")


class _Collector:
    """Takes in one reply."""

    def __init__(self, seconds: float, max_bytes: int) -> None:
        loop = asyncio.get_running_loop()
        self.reply: asyncio.Future[WholeReply] = loop.create_future()
        self._max_bytes = max_bytes
        self._head: ReplyHead | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._heard = False
        self._seconds = seconds
        self._timer = loop.call_later(seconds, self.look)

    def look(self) -> None:
        """Give up where nothing was heard since the last look."""
        if self._heard:
            self._heard = False
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self.look)
        else:
            self._fail(TimeoutError())

    def forget(self) -> None:
        """Nobody waits any more."""
        self._timer.cancel()

    # ---- See ``Receiver``

    def reply_informs(self, *_interim: object) -> None:
        self._heard = True

    def reply_begins(self, reply: ReplyHead) -> None:
        self._heard, self._head = True, reply
        for name, value in reply.headers:
            if name.lower() == b"content-length" and int(value) > self._max_bytes:
                self._fail(EndlessReplyError())

    def reply_goes_on(self, data: bytes) -> None:
        self._heard = True
        self._body.append(data)
        self._size += len(data)
        if self._size > self._max_bytes:
            self._fail(EndlessReplyError())

    def reply_ends(self) -> None:
        if self._head is not None and not self.reply.done():
            headers = CIMultiDict(
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in self._head.headers
            )
            self.reply.set_result(WholeReply(self._head.status, headers, b"".join(self._body)))

    def reply_breaks(self, why: str) -> None:
        self._fail(BrokenReplyError(why))

    def pause_sending(self) -> None:
        """All of it is in memory already."""

    def resume_sending(self) -> None:
        """See ``pause_sending``."""

    def _fail(self, error: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(error)

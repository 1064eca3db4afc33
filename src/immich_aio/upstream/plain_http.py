"""Posting what is in memory to one server over plain HTTP, with as little work as that takes.

By way of a general client, passing a photo on costs nearly three times as much.
"""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Mapping, Sequence
from time import monotonic

import aiohappyeyeballs
from yarl import URL

from immich_aio.upstream.plain_connection import PlainConnection, PlainReply

IDLE_SECONDS = 1.0
"""How long an unused connection is kept: a server may close it just as it is used again, and the
request is lost; uvicorn and gunicorn do so after two seconds and more."""

NEXT_ADDRESS = 0.25
"""Seconds after which the next of a name's addresses is tried as well (RFC 8305)."""


class ConnectError(Exception):
    """There is no connection; ``reason`` is the system's, or None where it took too long."""

    def __init__(self, reason: OSError | None) -> None:
        super().__init__(reason)
        self.reason = reason


class PlainHttp:
    """Kept connections to one server, one request at a time on each."""

    def __init__(self, host: str, port: int, *, connect_seconds: float, max_reply: int) -> None:
        self._host = host
        self._port = port
        self._connect_seconds = connect_seconds
        self._max_reply = max_reply
        self._idle: list[tuple[float, PlainConnection]] = []
        self._busy: set[PlainConnection] = set()

    async def send(self, pieces: Sequence[bytes], seconds: float) -> PlainReply:
        """The whole reply to a request; ``seconds`` is how long the server may say nothing.

        Raises ConnectError, BrokenReplyError, EndlessReplyError or TimeoutError.
        """
        connection = self._kept() or await self._connect()
        self._busy.add(connection)
        try:
            reply = await connection.exchange(pieces, seconds)
        except BaseException:
            connection.close()
            raise
        finally:
            self._busy.discard(connection)
        if connection.is_reusable:
            self._idle.append((monotonic(), connection))
        else:
            connection.close()
        return reply

    def close(self) -> None:
        """Hang up everywhere."""
        for connection in (*self._busy, *(each for _, each in self._idle)):
            connection.close()
        self._idle.clear()

    def _kept(self) -> PlainConnection | None:
        """The connection that was used last, if that was a moment ago; older ones are closed."""
        fresh = monotonic() - IDLE_SECONDS
        while self._idle and self._idle[0][0] < fresh:
            self._idle.pop(0)[1].close()
        while self._idle:
            _, connection = self._idle.pop()
            if connection.is_reusable:
                return connection
            connection.close()
        return None

    async def _connect(self) -> PlainConnection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_seconds):
                places = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
                made = await aiohappyeyeballs.start_connection(
                    places, happy_eyeballs_delay=NEXT_ADDRESS
                )
        except TimeoutError:
            raise ConnectError(None) from None
        except OSError as error:
            raise ConnectError(error) from None
        _, connection = await loop.create_connection(
            lambda: PlainConnection(self._max_reply), sock=made
        )
        return connection


def post_head(url: URL, headers: Mapping[str, str], pieces: Sequence[bytes]) -> bytes:
    """The beginning of a request; headers without a value are left out."""
    lines = [f"POST {url.raw_path_qs} HTTP/1.1", f"Host: {url.host_port_subcomponent}"]
    if url.user is not None:
        secret = base64.b64encode(f"{url.user}:{url.password or ''}".encode()).decode()
        lines.append(f"Authorization: Basic {secret}")
    lines += [f"{name}: {value}" for name, value in headers.items() if value]
    lines.append(f"Content-Length: {sum(map(len, pieces))}\r\n\r\n")
    return "\r\n".join(lines).encode("latin-1")

"""Connections to a server that rest between two requests, and new ones."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections import deque
from urllib.parse import urlsplit
from weakref import WeakSet

import aiohappyeyeballs

from immich_aio.errors import UnreachableError
from immich_aio.upstream.connection import Connection

CONNECT_SECONDS = 5.0
NEXT_ADDRESS = 0.25
"""Seconds after which the next of a name's addresses is tried as well (RFC 8305)."""
MAX_IDLE = 256
"""Connections that may rest; more were only needed for a moment."""


class ConnectionPool:
    """Connections to one server by its address; ``name`` is how messages call it."""

    def __init__(self, url: str, name: str | None = None) -> None:
        parts = urlsplit(url)
        self.url = url
        self._name = name or f"Immich at {url}"
        self._host = parts.hostname or ""
        self._is_tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._is_tls else 80)
        self._idle: deque[Connection] = deque()
        self._all: WeakSet[Connection] = WeakSet()
        self._sweeping: asyncio.TimerHandle | None = None
        self._tls: ssl.SSLContext | None = None

    def take(self) -> Connection | None:
        """One that rests, if there is one: the last that was used is open the longest."""
        now = time.monotonic()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and now - connection.free_since < connection.idle_seconds:
                return connection
            connection.abandon()
        return None

    async def connect(self) -> Connection:
        """A new one. Raises UnreachableError."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                places = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
                reached = await aiohappyeyeballs.start_connection(
                    places, happy_eyeballs_delay=NEXT_ADDRESS
                )
                _, made = await loop.create_connection(
                    lambda: Connection(self._free),
                    sock=reached,
                    ssl=self._context(),
                    server_hostname=self._host if self._is_tls else None,
                )
        except TimeoutError:
            raise UnreachableError(
                f"{self._name} cannot be reached: no connection in time."
            ) from None
        except OSError as error:
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise UnreachableError(f"{self._name} cannot be reached: {why}.") from None
        self._all.add(made)
        return made

    def close(self) -> None:
        """Close all, also those at work."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._idle.clear()
        for connection in tuple(self._all):
            connection.hang_up("it was hung up on")

    def _context(self) -> ssl.SSLContext | None:
        if self._is_tls and self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def _free(self, connection: Connection) -> None:
        connection.free_since = time.monotonic()
        self._idle.append(connection)
        if len(self._idle) > MAX_IDLE:
            self._idle.popleft().abandon()
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(1, self._sweep)

    def _sweep(self) -> None:
        """Close those that have rested for long: Immich would, at a moment of its own choice."""
        now, loop = time.monotonic(), asyncio.get_running_loop()
        rested = [one for one in self._idle if now - one.free_since >= one.idle_seconds]
        for connection in rested:
            self._idle.remove(connection)
            connection.abandon()
        self._sweeping = loop.call_later(1, self._sweep) if self._idle else None

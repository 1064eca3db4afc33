"""uvicorn's protocol with fewer system calls: a good part of what relaying a photo costs."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

AHEAD = 1024 * 1024
"""Bytes of a body that are taken in before its reader wants them: a photo as Immich sends it."""


def protocol_of(app: ASGIApp) -> type[asyncio.Protocol]:
    """How connections to this app are read: as it says itself, or leaner than uvicorn does."""
    own: type[asyncio.Protocol] = getattr(app, "protocol", LeanProtocol)
    return own


class LeanProtocol(HttpToolsProtocol):
    """Sends head and body of a reply at once, and takes in a photo without a pause."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller is there."""
        super().connection_made(_Corked(transport, self.loop))  # type: ignore[arg-type]

    def on_body(self, body: bytes) -> None:
        """As uvicorn's own, which pauses at 64 KiB."""
        if (
            self.parser.should_upgrade() and self._should_upgrade()
        ) or self.cycle.response_complete:
            return
        self.cycle.body += body
        if len(self.cycle.body) > AHEAD:
            self.flow.pause_reading()
        self.cycle.message_event.set()


class _Corked:
    """A transport that sends together what is written in one turn of the event loop."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pending: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the transport has
        return getattr(self._transport, name)

    def _flush(self) -> None:
        pending, self._pending = self._pending, []
        if pending and not self._transport.is_closing():  # the caller may have gone in this turn
            self._transport.writelines(pending)

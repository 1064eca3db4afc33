"""Relays a request to Immich, and its reply back."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import aiohttp
from starlette.types import Message, Receive, Scope, Send
from yarl import URL

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)


class Relay:
    """One Immich, to which requests are sent as they came."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def relay(
        self, scope: Scope, receive: Receive, send: Send, target: str, body: bytes | None = None
    ) -> None:
        """Send a request on, with its own body or with ``body``, and its reply back."""
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in scope["headers"]
            if name not in HOP_BY_HOP and not (body is not None and name == b"content-length")
        ]
        data = body if body is not None else _body(receive)
        url = URL(self._url + target, encoded=True)
        try:
            async with self._open().request(
                scope["method"], url, headers=headers, data=data, allow_redirects=False
            ) as response:
                head = [
                    (name, value)
                    for name, value in response.raw_headers
                    if name.lower() not in HOP_BY_HOP
                ]
                await send(
                    {"type": "http.response.start", "status": response.status, "headers": head}
                )
                async for piece in response.content.iter_any():
                    await send(_piece(piece, more=True))
                await send(_piece(b"", more=False))
        except aiohttp.ClientConnectorError:
            head = [(b"retry-after", b"5"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 502, "headers": head})
            await send(_piece(b"", more=False))

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
                connector=aiohttp.TCPConnector(keepalive_timeout=1, limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._session


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        more = message.get("more_body", False)
        yield message.get("body", b"")


def _piece(body: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def no_websocket(receive: Receive, send: Send) -> None:
    """WebSockets are not relayed yet."""
    with contextlib.suppress(Exception):
        await receive()
        await send({"type": "websocket.close", "code": 1013})

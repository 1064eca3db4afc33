"""Immich's WebSocket: Socket.IO at ``/api/socket.io``, by WebSocket alone."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import socketio
from starlette.requests import Request

from immich_aio.domain.immich import Shape
from immich_aio.services.sandbox.caller import Doorman
from immich_aio.services.sandbox.server_info import version_reply
from immich_aio.wire.immich_api.errors import ImmichHttpError


class Socket:
    """Tells users who are connected what happens to their assets."""

    def __init__(self, doorman: Doorman, shape: Shape) -> None:
        self._doorman = doorman
        self._shape = shape
        self._server = socketio.AsyncServer(
            async_mode="asgi", transports=["websocket"], cors_allowed_origins="*", logger=False
        )
        self._server.on("connect", self._connect)
        self.app = socketio.ASGIApp(self._server, socketio_path="/api/socket.io")

    async def _connect(self, sid: str, environ: dict[str, Any], _auth: object = None) -> None:
        """Let in whoever the session in their headers or cookies names."""
        try:
            caller = await self._doorman.identify(Request(environ["asgi.scope"] | {"type": "http"}))
        except ImmichHttpError as error:
            raise socketio.exceptions.ConnectionRefusedError(error.message) from None
        await self._server.enter_room(sid, str(caller.user_id))
        await self._server.emit("on_server_version", version_reply(self._shape), to=sid)

    async def tell(self, user_id: UUID, event: str, value: object) -> None:
        """Send an event to every connection of a user."""
        await self._server.emit(event, value, room=str(user_id))

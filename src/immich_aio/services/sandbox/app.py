"""The miniature's app: Immich's endpoints, its WebSocket, and a bare page in place of its web."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from immich_aio.domain.immich import Shape
from immich_aio.services.sandbox import server_info
from immich_aio.services.sandbox.access import Access
from immich_aio.services.sandbox.accounts import Accounts
from immich_aio.services.sandbox.api import no_such_path, routes
from immich_aio.services.sandbox.assets import Assets
from immich_aio.services.sandbox.caller import Doorman
from immich_aio.services.sandbox.data import Data
from immich_aio.services.sandbox.jobs import Jobs
from immich_aio.services.sandbox.library import Library
from immich_aio.services.sandbox.ml import MachineLearning
from immich_aio.services.sandbox.page import page
from immich_aio.services.sandbox.searching import Searching
from immich_aio.services.sandbox.socket import Socket
from immich_aio.services.sandbox.upload import Uploads
from immich_aio.upstream.bullmq import JobQueues


@dataclass(frozen=True, slots=True)
class Parts:
    """What the endpoints work with; made and closed by the caller."""

    data: Data
    library: Library
    queues: JobQueues
    ml: MachineLearning


class Miniature:
    """Immich's API over the parts."""

    def __init__(self, parts: Parts) -> None:
        shape = parts.data.shape
        doorman, access = Doorman(parts.data), Access(parts.data)
        self._assets = Assets(parts.data, access, parts.queues)
        self._socket = Socket(doorman, shape)
        endpoints = [
            *server_info.ENDPOINTS,
            *Accounts(parts.data).endpoints,
            *Searching(parts.data, access, parts.ml).endpoints,
            *self._assets.endpoints,
            *Uploads(parts.data, parts.library).endpoints,
            *Jobs(parts.queues).endpoints,
        ]
        app = Starlette(routes=[*routes(endpoints, doorman, shape), Mount("/", _Rest(shape))])
        app.router.redirect_slashes = False
        self.app: ASGIApp = _WithSocket(app, self._socket.app)

    async def announce(self, owner_id: UUID, asset_id: UUID) -> None:
        """Tell an asset's owner that its preview is there."""
        reply = await self._assets.reply(asset_id, owner_id)
        await self._socket.tell(owner_id, "on_upload_success", reply)


class _Rest:
    """What no route is for: the web's page, or Immich's words that there is nothing."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        in_web = request.method in ("GET", "HEAD")
        if in_web and not request.url.path.lower().startswith("/api"):
            response = await page(request)
        else:
            response = no_such_path(request, self._shape)
        await response(scope, receive, send)


class _WithSocket:
    """WebSockets go to Socket.IO, everything else to the app."""

    def __init__(self, app: ASGIApp, socket: ASGIApp) -> None:
        self._app = app
        self._socket = socket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

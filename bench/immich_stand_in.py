"""A server in Immich's place that does nothing: what is left is what asking it costs.

``python -m bench.immich_stand_in PORT``. It answers a thumbnail of 30 kB, and takes in uploads.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web

THUMBNAIL = bytes(range(256)) * 117
"""30 kB, as a thumbnail has."""

HEADERS = {
    "Cache-Control": "private, max-age=86400, no-transform",
    "ETag": 'W/"7530-19a3c2f1d55"',
    "Last-Modified": "Sun, 01 Nov 2026 10:00:00 GMT",
}


async def thumbnail(_request: web.Request) -> web.Response:
    """Always the same."""
    return web.Response(body=THUMBNAIL, content_type="image/webp", headers=HEADERS)


async def upload(request: web.Request) -> web.Response:
    """Takes a body in, and counts it."""
    size = 0
    async for piece in request.content.iter_any():
        size += len(piece)
    return web.json_response({"size": size}, status=201)


async def ping(_request: web.Request) -> web.Response:
    """It is there."""
    return web.json_response({"res": "pong"})


async def serve(port: int) -> None:
    """Until the process ends."""
    app = web.Application(client_max_size=10**12)
    app.router.add_get("/api/assets/{id}/thumbnail", thumbnail)
    app.router.add_post("/api/assets", upload)
    app.router.add_get("/api/server/ping", ping)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))

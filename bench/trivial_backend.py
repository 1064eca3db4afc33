"""A server of Immich's protocol that does nothing: what is left is what asking it costs.

``python -m bench.trivial_backend PORT``. It takes the body in and answers one vector.
"""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop
from aiohttp import web

REPLY = json.dumps(
    {"clip": json.dumps([0.1] * 512), "imageHeight": 1080, "imageWidth": 1440}
).encode()


async def predict(request: web.Request) -> web.Response:
    """Always the same."""
    await request.read()
    return web.Response(body=REPLY, content_type="application/json")


async def pong(_request: web.Request) -> web.Response:
    """It is there."""
    return web.Response(text="pong")


async def serve(port: int) -> None:
    """Until the process ends."""
    app = web.Application(client_max_size=10**9)
    app.router.add_post("/predict", predict)
    app.router.add_get("/ping", pong)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))

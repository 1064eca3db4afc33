"""A bare page in the place of Immich's web interface, with its structure where others hook in.

The viewer's and the multi-select's menus, thumbnails and paths are built as in Immich's web 3.1, so
that what is added to them there can be tried here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

STATIC = Path(__file__).parent / "static"
FILES = {f"/_app/{name}": STATIC / name for name in ("sandbox.js", "sandbox.css")}


async def page(request: Request) -> Response:
    """The page, on every path that is no file; like Immich's it answers 304 to a known ETag."""
    if file := FILES.get(request.url.path):
        return FileResponse(file, headers={"Cache-Control": "no-cache"})
    html = (STATIC / "index.html").read_bytes()
    tag = f'"{hashlib.sha1(html, usedforsecurity=False).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "no-store"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return HTMLResponse(html, headers=headers)

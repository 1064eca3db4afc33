"""JSON in reply, compressed where that is worth it and the caller takes it, as Immich does."""

from __future__ import annotations

import asyncio
import gzip

from pydantic_core import to_json
from starlette.datastructures import Headers
from starlette.responses import Response

WORTH_IT = 1024
"""Bytes from which a reply is compressed."""
AT_ONCE = 32 * 1024
"""Bytes that are compressed on the event loop; more would hold up everybody else."""
LEVEL = 4
"""Higher ones take longer and gain little."""


async def json_reply(value: object, asked: Headers) -> Response:
    """The reply to a request with these headers."""
    body, headers = to_json(value), {"Vary": "Accept-Encoding"}
    if len(body) >= WORTH_IT and takes_gzip(asked):
        headers["Content-Encoding"] = "gzip"
        body = await asyncio.to_thread(_small, body) if len(body) > AT_ONCE else _small(body)
    return Response(body, headers=headers, media_type="application/json; charset=utf-8")


def takes_gzip(asked: Headers) -> bool:
    """Whether a caller says so."""
    for each in ",".join(asked.getlist("accept-encoding")).lower().split(","):
        name, _, weight = each.replace(" ", "").partition(";q=")
        if name == "gzip":
            return weight.strip("0.") != "" or not weight
    return False


def _small(body: bytes) -> bytes:
    return gzip.compress(body, LEVEL, mtime=0)

"""What a caller gets where neither Immich nor we can answer: whole replies, ready to be sent."""

from __future__ import annotations

import json
from http import HTTPStatus

from immich_aio.services.companion.caller_side import Request
from immich_aio.services.companion.heads import CLOSE

RETRY_SECONDS = 5

UNREACHABLE = "Immich cannot be reached. It may be restarting; try again in a moment."

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width" />
<meta http-equiv="refresh" content="{seconds}" />
<title>Immich is not there</title>
<style>:root {{ color-scheme: light dark }} body {{ font: 1.1rem system-ui; margin: 15vh auto;
max-width: 30rem; padding: 0 1rem }}</style>
<h1>Immich is not there</h1>
<p>{why} This page looks again by itself.</p>
</html>
"""


def unreachable(request: Request, *, keep_alive: bool) -> bytes:
    """502, for a person as a page and for a program as JSON in the shape of Immich's own errors."""
    wanted = [value for name, value in request.headers if name == b"accept"]
    if any(b"text/html" in value for value in wanted):
        kind, text = (
            "text/html; charset=utf-8",
            _PAGE.format(seconds=RETRY_SECONDS, why=UNREACHABLE),
        )
    else:
        kind = "application/json; charset=utf-8"
        text = json.dumps({"message": UNREACHABLE, "error": "Bad Gateway", "statusCode": 502})
    more = b"Retry-After: %d\r\nCache-Control: no-store\r\n" % RETRY_SECONDS
    body = b"" if request.method == "HEAD" else text.encode()
    return _reply(502, kind, body, len(text.encode()), more + (b"" if keep_alive else CLOSE))


def _reply(status: int, kind: str, body: bytes, length: int, more: bytes) -> bytes:
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {kind}\r\n"
    return head.encode() + b"Content-Length: %d\r\n%b\r\n%b" % (length, more, body)


def _refusal(status: int, why: str) -> bytes:
    return _reply(status, "text/plain; charset=utf-8", why.encode(), len(why), CLOSE)


MALFORMED = _refusal(400, "This is no HTTP request.")
HEAD_TOO_LARGE = _refusal(431, "The head of this request is too large.")
HEAD_TOO_SLOW = _refusal(408, "The head of this request took too long.")

"""Puts our script into Immich's pages: pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from immich_aio import __version__
from immich_aio.services.companion.forwarding import Header
from immich_aio.services.companion.heads import value_of, without

MAX_PAGE = 4 * 1024 * 1024
"""Bytes of a page beyond which it is passed on as it is; Immich's has 10,000."""

SCRIPT = b'<script src="/aio/static/aio.js?v=%b"></script>' % __version__.encode()
"""Runs before Immich's own, which are modules."""

STALE = ("content-length", "etag", "last-modified", "accept-ranges", "content-md5", "digest")
"""What is no longer true of a page with our script in it."""

_END_OF_HEAD = re.compile(rb"</head\s*>", re.IGNORECASE)


def may_be_page(method: str, path: str, headers: Sequence[Header]) -> bool:
    """Whether the reply may be a page that is shown to a person."""
    if method != "GET" or path.startswith("/api/") or path == "/api":
        return False
    return any(name == b"accept" and b"text/html" in value.lower() for name, value in headers)


def is_page(headers: Sequence[Header]) -> bool:
    """Whether a reply is a page that can be read."""
    kind = value_of(headers, b"content-type").partition(b";")[0].strip().lower()
    encoding = value_of(headers, b"content-encoding").strip().lower()
    length = value_of(headers, b"content-length")
    small = not length.isdigit() or int(length) <= MAX_PAGE
    return kind == b"text/html" and encoding in (b"", b"identity") and small


def with_script(page: bytes) -> bytes:
    """The page with our script at the end of its head; one that has no head stays as it is."""
    return _END_OF_HEAD.sub(lambda end: SCRIPT + end[0], page, count=1)


def rewritten(headers: Sequence[Header], size: int) -> list[Header]:
    """A reply's headers for a body that now has ``size`` bytes."""
    kept = without(headers, (name.encode() for name in STALE))
    return [*kept, (b"Content-Length", b"%d" % size)]

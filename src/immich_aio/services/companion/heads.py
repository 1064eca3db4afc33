"""The heads of requests and replies as they are passed on: pure.

What concerns one connection alone (hop by hop) stays behind, and what Immich is told of the caller
is ours to say; everything else goes on byte for byte and in its order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from immich_aio.services.companion.forwarding import CLAIMS, Header, Origin

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
CONDITIONS = frozenset(
    {b"if-none-match", b"if-modified-since", b"if-match", b"if-unmodified-since", b"if-range"}
)
OF_REWRITTEN = CONDITIONS | {b"accept-encoding", b"range"}
"""What must not be asked for where the reply will be another than Immich's."""

CHUNKED = b"Transfer-Encoding: chunked\r\n"
CLOSE = b"Connection: close\r\n"
END = b"\r\n"
UNREMOVABLE = frozenset({b"content-length", b"host", b"cookie", b"authorization"})
"""What is passed on whatever ``Connection`` says: a body's length, and who asks and for what."""


class RequestHeads:
    """The heads for Immich of one caller's requests.

    Most requests of a connection have the headers of the one before it, as thumbnails have.
    """

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._headers: Sequence[Header] = ()
        self._block = origin.told(b"", ())

    def head(
        self, first: tuple[str, bytes, str], headers: Sequence[Header], framing: bytes
    ) -> bytes:
        """One head. ``first`` is method, target and version; names are in lower case.

        ``framing`` says how the body goes.
        """
        if headers != self._headers:
            self._block = _block(headers, self._origin)
            self._headers = headers
        method, target, version = first
        line = (method.encode(), target, version.encode(), self._block, framing)
        return b"%b %b HTTP/%b\r\n%b%b\r\n" % line


def _block(headers: Sequence[Header], origin: Origin) -> bytes:
    """Those headers that are passed on, and what Immich is told of the caller."""
    lines: list[bytes] = []
    named, host, claims = _named_by_connection(headers), b"", []
    for header in headers:
        name = header[0]
        if name in CLAIMS:
            claims.append(header)
        elif name not in HOP_BY_HOP and name not in named:
            lines.append(b"%b: %b\r\n" % header)
            if name == b"host":
                host = header[1]
    lines.append(origin.told(host, claims))
    return b"".join(lines)


def reply_head(status: int, reason: bytes, headers: Sequence[Header], framing: bytes) -> bytes:
    """The head for the caller."""
    named = _named_by_connection(headers)
    lines = [b"HTTP/1.1 %d %b\r\n" % (status, reason)]
    for header in headers:
        name = header[0].lower()
        if name not in HOP_BY_HOP and name not in named:
            lines.append(b"%b: %b\r\n" % header)
    lines += (framing, END)
    return b"".join(lines)


def upgrade_head(target: bytes, headers: Sequence[Header], origin: Origin) -> bytes:
    """The head for Immich of a request by which a WebSocket begins."""
    host, claims = value_of(headers, b"host"), [each for each in headers if each[0] in CLAIMS]
    lines = [b"GET %b HTTP/1.1\r\n" % target]
    lines += [b"%b: %b\r\n" % each for each in headers if each[0] not in CLAIMS]
    lines += (origin.told(host, claims), END)
    return b"".join(lines)


def switching_head(reason: bytes, headers: Iterable[Header]) -> bytes:
    """The head for the caller of a reply by which a WebSocket begins."""
    lines = [b"HTTP/1.1 101 %b\r\n" % reason, *(b"%b: %b\r\n" % each for each in headers)]
    return b"".join([*lines, END])


def without(headers: Iterable[Header], names: Iterable[bytes]) -> list[Header]:
    """Those of other names."""
    left_out = frozenset(names)
    return [header for header in headers if header[0].lower() not in left_out]


def value_of(headers: Iterable[Header], name: bytes) -> bytes:
    """The first of that name, or nothing."""
    return next((value for each, value in headers if each.lower() == name), b"")


def _named_by_connection(headers: Iterable[Header]) -> frozenset[bytes]:
    """The names that ``Connection`` says to be hop by hop as well."""
    said = [value.lower() for name, value in headers if name in (b"connection", b"Connection")]
    if not said or said == [b"keep-alive"]:
        return frozenset()
    words = (word.strip() for value in said for word in value.split(b","))
    return frozenset(words) - UNREMOVABLE

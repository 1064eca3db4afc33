"""Heads as they are passed on: what concerns one connection alone stays behind."""

from __future__ import annotations

from immich_aio.services.companion.forwarding import Origin
from immich_aio.services.companion.heads import RequestHeads, reply_head

GET = ("GET", b"/x", "1.1")
TOLD = b"x-forwarded-for: 8.8.8.8\r\nx-forwarded-proto: http\r\nx-forwarded-host: photos\r\n"


def test_a_request_is_passed_on_without_what_is_hop_by_hop() -> None:
    headers = [
        (b"host", b"photos"),
        (b"connection", b"close, X-Own"),
        (b"x-own", b"1"),
        (b"upgrade", b"h2c"),
        (b"te", b"trailers"),
        (b"x-forwarded-for", b"1.1.1.1"),
        (b"cookie", b"a=1"),
    ]
    head = RequestHeads(Origin(b"8.8.8.8")).head(GET, headers, b"")
    assert head == b"GET /x HTTP/1.1\r\nhost: photos\r\ncookie: a=1\r\n" + TOLD + b"\r\n"


def test_nothing_that_matters_can_be_taken_away_by_naming_it() -> None:
    """Least of all the length of a body, by which two servers would see different requests."""
    headers = [
        (b"connection", b"content-length, host, cookie, authorization, x-forwarded-for"),
        (b"host", b"photos"),
        (b"content-length", b"3"),
        (b"cookie", b"a=1"),
        (b"authorization", b"Bearer x"),
    ]
    head = RequestHeads(Origin(b"8.8.8.8")).head(GET, headers, b"")
    for name, value in headers[1:]:
        assert b"%b: %b\r\n" % (name, value) in head
    assert TOLD in head


def test_the_heads_of_a_connection_never_mix() -> None:
    heads = RequestHeads(Origin(b"8.8.8.8"))
    one = [(b"host", b"photos"), (b"cookie", b"one")]
    for cookie in (b"one", b"two", b"one"):
        head = heads.head(GET, [(b"host", b"photos"), (b"cookie", cookie)], b"")
        assert head.count(b"cookie: ") == 1
        assert b"cookie: %b\r\n" % cookie in head
    assert heads.head(GET, one, b"a: b\r\n").endswith(b"a: b\r\n\r\n")


def test_a_reply_keeps_its_headers_as_they_are_written_and_in_their_order() -> None:
    headers = [
        (b"X-Powered-By", b"Express"),
        (b"Set-Cookie", b"a=1"),
        (b"Connection", b"keep-alive"),
        (b"Keep-Alive", b"timeout=5"),
        (b"set-cookie", b"b=2"),
        (b"Content-Type", b""),
    ]
    assert reply_head(404, b"Not Found", headers, b"F: 1\r\n") == (
        b"HTTP/1.1 404 Not Found\r\nX-Powered-By: Express\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n"
        b"Content-Type: \r\nF: 1\r\n\r\n"
    )

"""JSON in reply: compressed for whoever takes it."""

from __future__ import annotations

import gzip
import json

import pytest
from starlette.datastructures import Headers

from immich_aio.services.companion.json_reply import json_reply, takes_gzip

LONG = {"a": ["发票 \U0001f600", 1.5, 4, None, True] * 2000}


@pytest.mark.parametrize(
    ("said", "takes"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("GZIP ; q=1.0, br", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("br, deflate", False),
        ("", False),
    ],
)
def test_a_caller_says_what_it_takes(said: str, takes: bool) -> None:
    assert takes_gzip(Headers({"accept-encoding": said})) is takes


@pytest.mark.parametrize("value", [LONG, {"a": list(LONG["a"][:1000])}])
async def test_a_long_reply_is_compressed_and_the_same(value: object) -> None:
    reply = await json_reply(value, Headers({"accept-encoding": "gzip, br"}))
    assert (reply.headers["content-encoding"], reply.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert json.loads(gzip.decompress(bytes(reply.body))) == value
    plain = await json_reply(value, Headers())
    assert "content-encoding" not in plain.headers
    assert (
        bytes(plain.body) == json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    )


async def test_a_short_reply_is_not_worth_it() -> None:
    reply = await json_reply({"a": 1}, Headers({"accept-encoding": "gzip"}))
    assert (bytes(reply.body), reply.headers.get("content-encoding")) == (b'{"a":1}', None)

"""Whatever is asked and answered, it comes through as it would without the companion."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.integration.services.companion.wires import (
    Answer,
    chunked,
    companion_before,
    echo,
    exchanged,
    get,
    serving,
    wire,
)

MANY = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass(frozen=True)
class Sides:
    """Immich itself, and the companion before it."""

    immich: str
    companion: str

    async def both(self, *pieces: bytes, method: str = "GET") -> tuple[Answer, Answer]:
        """The replies of both to the same bytes."""
        direct = await exchanged(self.immich, *pieces, method=method)
        return direct, await exchanged(self.companion, *pieces, method=method)

    async def same(self, *pieces: bytes, method: str = "GET") -> Answer:
        """The reply of both, which must be the same."""
        direct, through = await self.both(*pieces, method=method)
        assert through.whole
        assert (through.status, through.reason) == (direct.status, direct.reason)
        assert through.own_headers == direct.own_headers
        assert through.body == direct.body
        return through


@pytest_asyncio.fixture
async def sides() -> AsyncIterator[Sides]:
    async with echo() as immich, companion_before(immich) as companion:
        yield Sides(immich, companion)


# ---- Whatever is drawn

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY"]
SEGMENTS = st.sampled_from(
    [
        "api",
        "API",
        "Search",
        "assets",
        "..",
        ".",
        "",
        "%2e%2e",
        "a%2Fb",
        "%e5%8f%91",
        "~",
        "a+b",
        ";x",
    ]
) | st.text(st.sampled_from("abcXYZ012-._~!$&'()*+,;=:@"), max_size=8)
QUERIES = st.text(st.sampled_from("abc=&%20?/+[]:@!;"), max_size=12)
TOKENS = st.text(st.sampled_from("abcxyz-_"), min_size=1, max_size=8)
VALUES = st.text(st.sampled_from('abc XYZ,;="()/\t\xe9\xff'), max_size=20).map(str.strip)
HEADERS = st.lists(
    st.tuples(TOKENS.map("x-{}".format), VALUES)
    | st.sampled_from(
        [
            ("Cookie", "a=1; b=2"),
            ("Accept", "application/json"),
            ("Accept-Encoding", "br, gzip"),
            ("Range", "bytes=0-10"),
            ("If-None-Match", '"a"'),
            ("Authorization", "Bearer x"),
            ("X-Empty", ""),
            ("Connection", "keep-alive, x-gone"),
            ("TE", "trailers"),
            ("Proxy-Connection", "keep-alive"),
        ]
    ),
    max_size=6,
)
REPLIES = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from([200, 201, 204, 206, 301, 304, 400, 401, 404, 416, 500, 503]),
        "size": st.sampled_from([0, 1, 1000, 70_000, 300_000]),
        "chunked": st.booleans(),
        "headers": st.lists(
            st.sampled_from(
                [
                    ("Set-Cookie", "a=1; Path=/"),
                    ("Set-Cookie", "b=2; HttpOnly"),
                    ("ETag", '"x"'),
                    ("Content-Type", ""),
                    ("Content-Encoding", "br"),
                    ("X-Odd", "a\tb"),
                    ("Content-Range", "bytes 0-10/100"),
                ]
            ),
            max_size=4,
            unique=True,
        ),
    },
)


@st.composite
def requests(draw: DrawFn) -> tuple[str, list[bytes]]:
    """A method, and a request in pieces as the network may cut it."""
    method = draw(st.sampled_from(METHODS))
    target = "/" + "/".join(draw(st.lists(SEGMENTS, max_size=5)))
    if query := draw(QUERIES):
        target += f"?{query}"
    body = draw(st.none() | st.sampled_from([0, 1, 1000, 100_000]).map(lambda size: b"x" * size))
    lines = [f"{method} {target} HTTP/1.1", "Host: photos"]
    lines += [f"{name}: {value}" for name, value in draw(HEADERS)]
    lines.append(f"x-reply: {json.dumps(draw(REPLIES))}")
    if body is None:
        data = b""
    elif draw(st.booleans()):
        lines.append(f"Content-Length: {len(body)}")
        data = body
    else:
        lines.append("Transfer-Encoding: chunked")
        sizes = draw(st.sampled_from([1000, 4096, 65_536]))
        data = chunked(body[start : start + sizes] for start in range(0, len(body), sizes))
    whole = ("\r\n".join([*lines, "", ""])).encode("latin-1") + data
    cuts = sorted(draw(st.lists(st.integers(1, max(1, min(len(whole), 700))), max_size=3)))
    return method, [whole[i:j] for i, j in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


def looped(strategy: SearchStrategy[tuple[str, list[bytes]]], sides: Sides) -> None:
    """Compare both sides in an event loop of this thread's own."""

    @given(strategy)
    @MANY
    def compare(request: tuple[str, list[bytes]]) -> None:
        method, pieces = request
        asyncio.run(sides.same(*pieces, method=method))

    compare()


async def test_any_request_and_any_reply_pass_as_they_are(sides: Sides) -> None:
    await asyncio.to_thread(looped, requests(), sides)


MALFORMED = [
    b"\r\n\r\n\x00\x01\x02",
    b"GET\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x10\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
]


@pytest.mark.parametrize("sent", MALFORMED)
async def test_what_is_no_request_is_refused_and_never_reaches_immich(sent: bytes) -> None:
    """Least of all what two servers could read in two ways."""
    asked = []

    async def note(request: web.Request) -> web.Response:
        asked.append(await request.read())
        return web.Response()

    async with (
        serving(web.route("*", "/{rest:.*}", note)) as immich,
        companion_before(immich) as companion,
        wire(companion) as one,
    ):
        await one.say(sent)
        answer = await one.answer()
        assert answer.status == 400
        assert await one.rest() == b""
        assert (await exchanged(companion, get("/"))).status == 200
    assert asked == [b""]


async def test_a_head_without_end_is_refused(sides: Sides) -> None:
    async with wire(sides.companion) as one:
        await one.say(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        answer = asyncio.create_task(one.answer())
        while not answer.done():
            with contextlib.suppress(ConnectionError):
                await one.say(b"a" * 4096)
        assert (await answer).status == 431


# ---- One by one


TARGETS = [
    "/api//assets",
    "/api/assets/../users",
    "/api/%2e%2e/x",
    "/a%2Fb%5Cc?d=%2F&e=+",
    "/API/Assets/",
    "/?",
    "//evil.example/x",
]


@pytest.mark.parametrize("target", TARGETS)
async def test_a_path_arrives_byte_for_byte(sides: Sides, target: str) -> None:
    direct, through = await sides.both(get(target))
    assert json.loads(through.body)["target"] == json.loads(direct.body)["target"]


async def test_http_1_0_is_answered_as_such(sides: Sides) -> None:
    wanted = 'x-reply: {"chunked": true, "size": 100000}'
    sent = f"GET /x HTTP/1.0\r\nHost: photos\r\n{wanted}\r\n\r\n".encode()
    answer = await sides.same(sent)
    assert len(answer.body) > 100_000


async def test_interim_replies_pass(sides: Sides) -> None:
    """A caller who waits for them before it sends the body gets them."""
    async with wire(sides.companion) as one:
        head = get("/up", "Content-Length: 4", "Expect: 100-continue", method="POST")
        await one.say(head)
        async with asyncio.timeout(10):
            interim = await one.reader.readuntil(b"\r\n\r\n")
        assert interim.startswith(b"HTTP/1.1 100 Continue")
        await one.say(b"body")
        assert json.loads((await one.answer("POST")).body)["size"] == 4


async def test_requests_that_are_sent_ahead_are_answered_in_their_order(sides: Sides) -> None:
    """Ours among Immich's."""
    async with wire(sides.companion) as one:
        ahead = [get("/1"), get("/aio/health"), get("/2", "Content-Length: 3") + b"abc", get("/3")]
        await one.say(b"".join(ahead))
        bodies = [json.loads((await one.answer()).body) for _ in ahead]
    assert [body.get("target", body.get("status")) for body in bodies] == ["/1", "ok", "/2", "/3"]


@pytest.mark.parametrize(
    ("proxies", "told"),
    [
        ((), {"for": "127.0.0.1", "proto": "http", "host": "photos"}),
        (
            ("127.0.0.0/8",),
            {"for": "1.1.1.1, 2.2.2.2, 127.0.0.1", "proto": "https", "host": "elsewhere"},
        ),
    ],
)
async def test_a_caller_is_believed_about_itself_only_as_a_trusted_proxy(
    proxies: tuple[str, ...], told: dict[str, str]
) -> None:
    async def tell(request: web.Request) -> web.Response:
        names = ("for", "proto", "host", "forwarded")
        headers = {name: request.headers.getall(f"X-Forwarded-{name}", []) for name in names}
        headers["forwarded"] = request.headers.getall("Forwarded", [])
        return web.json_response(headers)

    claims = (
        "X-Forwarded-For: 1.1.1.1",
        "x-forwarded-for: 2.2.2.2",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: elsewhere",
        "Forwarded: for=9.9.9.9",
        "Connection: x-forwarded-for",
    )
    async with (
        serving(web.get("/", tell)) as immich,
        companion_before(immich, proxies=proxies) as companion,
    ):
        body = json.loads((await exchanged(companion, get("/", *claims))).body)
    assert {name: body[name] for name in told} == {name: [value] for name, value in told.items()}
    assert body["forwarded"] == (["for=9.9.9.9"] if proxies else [])


async def test_metrics_are_for_the_private_network_alone() -> None:
    """Also where everybody comes by way of a proxy, and whatever they say before it."""
    async with echo() as immich, companion_before(immich, proxies=("127.0.0.0/8",)) as companion:
        await exchanged(companion, get("/x"))
        near = await exchanged(companion, get("/aio/metrics"))
        assert b'route="immich",service="companion",status="200"' in near.body
        far = get("/aio/metrics", "X-Forwarded-For: 10.0.0.1, 8.8.8.8")
        assert (await exchanged(companion, far)).status == 404

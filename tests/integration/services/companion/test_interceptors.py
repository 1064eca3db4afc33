"""Who answers: an interceptor, Immich asked otherwise, or Immich as if nobody were there."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from immich_aio.services.companion.app import create_app
from immich_aio.services.companion.asked import MAX_BODY, Asked, Instead, path_of
from immich_aio.services.companion.companion import Companion, CompanionConfig, Features
from tests.integration.services.companion.wires import PATIENCE, chunked, get, wire
from tests.integration.services.live import Reply, ask, live

SEARCH = "/api/search/smart"


class Answering:
    """An interceptor of one path that answers as it is told, and notes what it was asked."""

    def __init__(self, answer: Response | Instead | Exception | None) -> None:
        self._answer = answer
        self.asked: list[Asked] = []
        self.hangs = False

    def concerns(self, method: str, path: str) -> bool:
        return (method, path) == ("POST", SEARCH)

    async def answer(self, asked: Asked) -> Response | Instead | None:
        self.asked.append(asked)
        if self.hangs:
            await asyncio.Event().wait()
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


async def _echo(request: Request) -> Response:
    body = await request.body()
    target = request.url.path + ("?" + request.url.query if request.url.query else "")
    return JSONResponse({"target": target, "body": body.decode("latin-1")})


ECHO = Starlette(routes=[Route("/{rest:path}", _echo, methods=["GET", "POST"])])


@contextlib.asynccontextmanager
async def companion(interceptor: Answering, seconds: float = 5) -> AsyncIterator[str]:
    async with live(ECHO) as immich:
        config = CompanionConfig(immich, seconds)
        async with live(create_app(Companion(config, Features([interceptor])))) as url:
            yield url


async def post(url: str, body: bytes = b'{"query":"x"}', kind: str = "application/json") -> Reply:
    return await ask(url, "POST", data=io.BytesIO(body), headers={"Content-Type": kind})


async def test_an_interceptor_answers_in_immichs_place() -> None:
    one = Answering(JSONResponse({"ours": True}, headers={"X-Own": "1"}))
    async with companion(one) as url:
        reply = await post(f"{url}/API/search/Smart/?key=a%20b")
    assert reply.json == {"ours": True}
    assert reply.headers["x-own"] == "1"
    (asked,) = one.asked
    assert (asked.method, asked.path) == ("POST", SEARCH)
    assert asked.target == "/API/search/Smart/?key=a%20b"
    assert asked.query["key"] == "a b"
    assert json.loads(asked.body) == {"query": "x"}
    assert asked.client == "127.0.0.1"


async def test_immich_is_asked_otherwise_where_the_interceptor_says_so() -> None:
    async with companion(Answering(Instead(b'{"ocr":"x"}', "/api/search/metadata"))) as url:
        reply = await post(f"{url}{SEARCH}?key=a")
    assert reply.json == {"target": "/api/search/metadata?key=a", "body": '{"ocr":"x"}'}


@pytest.mark.parametrize("answer", [None, RuntimeError("a fault of ours")])
async def test_without_an_answer_immich_gets_the_request_as_it_came(
    answer: Exception | None,
) -> None:
    async with companion(Answering(answer)) as url:
        reply = await post(f"{url}{SEARCH}", b'{"query": "x" }')
    assert reply.json == {"target": SEARCH, "body": '{"query": "x" }'}


async def test_an_interceptor_that_takes_too_long_is_not_waited_for() -> None:
    one = Answering(None)
    one.hangs = True
    async with companion(one, seconds=0.05) as url:
        reply = await post(f"{url}{SEARCH}")
    assert one.asked
    assert reply.json["body"] == '{"query":"x"}'


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"x" * (MAX_BODY + 1), "application/json"),
        (b"x" * (3 * MAX_BODY), "application/json"),
        (b"no JSON", "text/plain"),
    ],
)
async def test_what_is_too_long_or_no_json_goes_through_without_loss(
    body: bytes, kind: str
) -> None:
    one = Answering(JSONResponse({"ours": True}))
    async with companion(one) as url:
        reply = await post(f"{url}{SEARCH}", body, kind)
    assert reply.json["body"].encode() == body
    assert not one.asked


HEAD = b"POST /api/search/smart HTTP/1.1\r\nHost: photos\r\nContent-Type: application/json\r\n"


async def test_a_body_in_chunks_that_is_only_sent_when_asked_for_is_read_too() -> None:
    one = Answering(Instead(b'{"ocr":"x"}'))
    async with companion(one) as url, wire(url) as caller:
        await caller.say(HEAD + b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            interim = await caller.reader.readuntil(b"\r\n\r\n")
        assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
        await caller.say(chunked([b'{"query":', b'"x"}']))
        answer = await caller.answer("POST")
    assert json.loads(answer.body) == {"target": SEARCH, "body": '{"ocr":"x"}'}
    assert [asked.body for asked in one.asked] == [b'{"query":"x"}']


async def test_answers_of_both_kinds_come_in_the_order_of_the_requests() -> None:
    """Also where Immich's would be there before ours."""
    one = Answering(JSONResponse({"ours": True}))
    async with companion(one) as url, wire(url) as caller:
        search = HEAD + b"Content-Length: 2\r\n\r\n{}"
        await caller.say(search + get("/1") + search + get("/2"))
        bodies = [json.loads((await caller.answer()).body) for _ in range(4)]
    assert [body.get("target", "ours") for body in bodies] == ["ours", "/1", "ours", "/2"]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/api/search/smart", SEARCH),
        ("/API/Search/Smart/?page=1", SEARCH),
        ("http://immich/api/search/smart?a", SEARCH),
        ("/api/search/smart#part", SEARCH),
        ("//api/search/smart", "//api/search/smart"),
        ("/api/search/smart//", "/api/search/smart/"),
        ("/api/search/%73mart", "/api/search/%73mart"),
        ("/", ""),
    ],
)
def test_paths_are_compared_as_immich_compares_them(target: str, path: str) -> None:
    assert path_of(target) == path

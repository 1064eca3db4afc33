"""Whatever callers send and backends answer: no error of our own, and nobody else suffers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from immich_aio.domain.routes import BackendSpec, Rule
from immich_aio.services.gateway.backends import EngineBackend
from tests.integration.services.gateways import (
    AT_ONCE,
    CLIP_REPLY,
    FACES,
    FACES_REPLY,
    MIB,
    OCR,
    PHOTO,
    TEXTUAL,
    VISUAL,
    Running,
    running,
)
from tests.integration.services.live import (
    BOUNDARY,
    MULTIPART,
    ClipDouble,
    EngineDouble,
    ask,
    multipart,
)
from tests.integration.upstream.servers import Answer, Server, answer, immich_ml

EXAMPLES = 60
many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

JSON: SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["ocr", "clip", "facial-recognition", "detection", "recognition", "visual", "textual"]
)
ENTRIES = st.dictionaries(
    NAMES | st.text(max_size=8),
    st.dictionaries(
        NAMES, st.fixed_dictionaries({"modelName": st.text(max_size=8), "options": JSON}) | JSON
    )
    | JSON,
    max_size=4,
)
BODIES = st.one_of(
    st.binary(max_size=500),
    ENTRIES.map(lambda entries: multipart(entries=json.dumps(entries), image=PHOTO, text="x")),
    st.builds(
        lambda body, at, noise: body[:at] + noise + body[at:],
        st.just(multipart(entries=json.dumps(OCR), image=PHOTO)),
        st.integers(0, 900),
        st.binary(max_size=20),
    ),
    st.builds(
        lambda body, start, end: body[:start] + body[start + end :],
        st.just(multipart(entries=json.dumps({**OCR, **VISUAL}), image=PHOTO, text="x")),
        st.integers(0, 900),
        st.integers(1, 60),
    ),
)
KINDS = st.sampled_from(
    [MULTIPART, MULTIPART, MULTIPART, "multipart/form-data", "text/plain", f"{MULTIPART}; a=\xff"]
)


class Stand:
    """A gateway over engines that always succeed, and over a server that answers as it is told."""

    def __init__(self, it: Running, server: Server) -> None:
        self.it = it
        self.server = server


@pytest_asyncio.fixture
async def stand() -> AsyncIterator[Stand]:
    good = answer({**CLIP_REPLY, **FACES_REPLY})
    async with immich_ml(good) as server:
        specs = [
            BackendSpec("engine", "engine", clip_model="ViT-B-16"),
            BackendSpec("immich", "immich", server.url),
        ]
        rules = [
            Rule((("engine",),), "ocr"),
            Rule((("engine",),), "clip", models=("ViT-B-32__openai",)),
            Rule((("immich",),)),
        ]
        engines = {"engine": EngineBackend(EngineDouble(), ClipDouble())}
        config = {"patience": AT_ONCE, "max_upload_bytes": MIB}
        async with running(specs, rules, engines=engines, **config) as it:
            yield Stand(it, server)


async def test_no_request_whatever_gets_an_error_of_our_own_making(stand: Stand) -> None:
    """The engines never fail, so whatever is wrong is wrong with the request; and the server is
    asked for what it does not know, which is its failure (502).
    """
    url = f"{stand.it.url}/predict"
    seen: set[int] = set()

    @given(BODIES, KINDS)
    @many
    def send(body: bytes, kind: str) -> None:
        reply = sent(url, body, kind)
        seen.add(reply.status)
        assert reply.status in {200, 400, 413, 422, 502}, reply.body
        if reply.status != 200:
            assert reply.json["detail"]

    await asyncio.to_thread(send)
    assert {200, 400, 422} <= seen
    assert (await stand.it.predict(OCR, image=PHOTO)).status == 200
    assert stand.it.gateway.spool.memory == 0


async def test_no_field_of_the_head_whatever_gets_an_error_of_our_own_making(
    stand: Stand,
) -> None:
    words = st.text(st.characters(min_codepoint=160, max_codepoint=255), max_size=20) | st.text(
        st.characters(min_codepoint=33, max_codepoint=126), max_size=40
    )

    @given(
        st.sampled_from(["/", "/ping", "/status", "/predict", "/metrics", "/key//predict"]), words
    )
    @many
    def send(path: str, word: str) -> None:
        headers = {
            name: word.encode().decode("latin-1")
            for name in ("Authorization", "X-Forwarded-For", "X-Request-ID", "Accept", "api-key")
        }
        assert asyncio.run(ask(f"{stand.it.url}{path}", headers=headers)).status < 500

    await asyncio.to_thread(send)


REPLIES = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(["clip", "facial-recognition", "imageHeight"]), JSON).map(
        lambda value: json.dumps(value).encode()
    ),
    st.integers(1, 200_000).map(lambda depth: b"[" * depth),
    st.integers(1, 5000).map(lambda size: b'{"clip":"[' + b"1," * size + b'1]"}'),
)


async def test_no_reply_of_a_backend_whatever_breaks_us_or_passes_for_an_answer(
    stand: Stand,
) -> None:
    """What Immich could not use is a 502; what is passed on has the task's answer in it."""

    @given(REPLIES, st.sampled_from([200, 200, 200, 204, 301, 404, 500, 503]), st.booleans())
    @many
    def send(body: bytes, status: int, whole: bool) -> None:  # drawn
        stand.server.reply = Answer(status, b"" if status == 204 else body)
        entries = FACES if whole else {**FACES, **OCR}
        reply = asyncio.run(stand.it.predict(entries, image=PHOTO))
        assert reply.status in {200, 502, 504}, reply.body
        assert reply.status != 200 or isinstance(reply.json["facial-recognition"], list)
        for lane in stand.it.gateway.lanes.values():  # the next example is asked again
            lane.reach.found()
            lane.breaker.succeeded()

    await asyncio.to_thread(send)
    assert (await stand.it.predict({**OCR, **VISUAL}, image=PHOTO)).status == 200
    assert (await stand.it.predict(TEXTUAL, text="x")).status == 200


def sent(url: str, body: bytes, kind: str) -> object:
    """The reply to a POST, asked from a thread of its own."""
    assert BOUNDARY in MULTIPART
    return asyncio.run(ask(url, "POST", data=body, headers={"Content-Type": kind}))

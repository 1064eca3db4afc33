"""Searches through the companion: what is ours, in Immich's shape, and what stays Immich's."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from immich_aio.domain.immich import Shape
from immich_aio.services.sandbox.embedded.postgres import Postgres
from immich_aio.services.sandbox.embedded.redis import Redis
from tests.integration.services.companion.companions import Searching, filled, searching
from tests.integration.services.sandbox.mini import MOMENT, User, miniature
from tests.integration.services.sandbox.ml_server import ml_server

pytestmark = pytest.mark.asyncio(loop_scope="module")
DAY = timedelta(days=1)
TYPED = ["ocr:发票", "OCR: 发票", "ｏｃｒ：发票".replace("ｏｃｒ", "ocr"), " ocr ：发票 "]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(Shape), ids=str)
async def companion(
    request: pytest.FixtureRequest,
    postgres: Postgres,
    redis: Redis,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Searching]:
    """One for all tests that change nothing."""
    folder = tmp_path_factory.mktemp("library")
    async with AsyncExitStack() as stack:
        ml = await stack.enter_async_context(ml_server())
        mini = miniature(postgres, redis, ml, request.param, folder)
        mini = await stack.enter_async_context(mini)
        await filled(mini)
        yield await stack.enter_async_context(searching(mini, ml))


@pytest.fixture
def user(companion: Searching) -> User:
    return companion.mini.users["admin"]


async def test_where_no_words_match_the_reply_is_immichs_to_the_last_field(
    companion: Searching, user: User
) -> None:
    """And so it is by another user, in any page and size, with and without EXIF."""
    bodies: list[dict[str, Any]] = [
        {"query": "zzz"},
        {"query": "zzz", "withExif": True, "visibility": "timeline", "language": "en-US"},
        {"query": "zzz", "size": 2, "page": 2, "withExif": True},
        {"query": "zzz", "size": 3, "page": 3},
        {"query": "zzz", "type": "VIDEO"},
        {"query": "zzz", "isFavorite": True, "withExif": True},
        {"query": "zzz", "city": "Hangzhou"},
        {"query": "zzz", "visibility": "archive"},
        {"query": "zzz", "takenAfter": (MOMENT + DAY).isoformat()},
    ]
    async with companion.counting("ours", len(bodies)):
        for body in bodies:
            assert (await companion.same("smart", user, body)).status == 200


async def test_ocr_before_the_words_finds_texts_alone_best_first(
    companion: Searching, user: User
) -> None:
    best = ["scan.heic", "hotel.png", "invoice.jpg"]
    for typed in TYPED:
        assert sorted(await companion.names(user, query=typed)) == sorted(best)
    assert await companion.names(user, query="ocr:增值税") == ["invoice.jpg"]
    assert await companion.names(user, query="ocr:发票 -酒店 -增值税") == ["scan.heic"]
    assert await companion.names(user, query="ocr:天空") == []


@pytest.mark.parametrize("field", ["originalFileName", "description", "ocr", "city", "make"])
async def test_ocr_is_understood_in_every_text_of_a_search_by_metadata(
    companion: Searching, user: User, field: str
) -> None:
    for typed in TYPED:
        found = await companion.names(user, "metadata", **{field: typed}, type="IMAGE")
        assert sorted(found) == ["hotel.png", "invoice.jpg", "scan.heic"]
    paged = {field: "ocr:发票", "size": 2}
    first = await companion.ask("metadata", user, paged)
    assert first.json["assets"]["nextPage"] == "2"
    second = await companion.ask("metadata", user, paged | {"page": 2})
    assert second.json["assets"]["nextPage"] is None
    pages = first.json["assets"]["items"] + second.json["assets"]["items"]
    assert len({item["id"] for item in pages}) == 3


async def test_words_go_before_looks_and_filters_hold_for_both(
    companion: Searching, user: User
) -> None:
    found = await companion.names(user, query="发票")
    assert sorted(found[:3]) == ["hotel.png", "invoice.jpg", "scan.heic"]
    assert sorted(found[3:]) == sorted(
        ["sea.jpg", "film.mp4", "theirs.jpg", *([] if companion.mini.old else ["archived.jpg"])]
    )
    assert await companion.names(user, query="发票", city="Hangzhou") == ["invoice.jpg"]
    assert await companion.names(user, query="发票", isFavorite=True, type="IMAGE") == [
        "hotel.png",
        "theirs.jpg",
    ]


async def test_paths_are_spelled_as_immich_lets_them_be(companion: Searching, user: User) -> None:
    for path in ("Smart", "SMART/", "smart/?x=1", "smart?"):
        assert len(await companion.names(user, path, query="ocr:发票")) == 3


async def test_results_are_compressed_for_a_caller_who_takes_it(
    companion: Searching, user: User
) -> None:
    headers = {**user.by_session, "accept-encoding": "gzip, br"}
    body = {"query": "zzz", "withExif": True}
    reply = await companion.ask("smart", headers, body)
    assert reply.headers["content-encoding"] == "gzip"
    plain = await companion.ask("smart", user, body)
    assert json.loads(gzip.decompress(reply.body)) == plain.json
    assert len(reply.body) < len(plain.body) / 3


IMMICHS: list[tuple[str, object]] = [
    ("smart", {"query": ""}),
    ("smart", {"query": "   "}),
    ("smart", {}),
    ("smart", {"query": 5}),
    ("smart", {"query": "x", "size": 1001}),
    ("smart", {"query": "ocr:x", "page": 0}),
    ("smart", {"query": "x", "visibility": "locked"}),
    ("smart", {"query": "ocr:x", "visibility": "locked"}),
    ("smart", {"query": "x", "aFieldOfTomorrow": 1}),
    ("smart", {"query": "x", "queryAssetId": str(uuid4())}),
    ("smart", {"query": "x", "personIds": ["nobody"]}),
    ("smart", []),
    ("smart", b'{"query": "x"'),
    ("smart", b""),
    ("metadata", {"originalFileName": "sea"}),
    ("metadata", {"ocr": "发票"}),
    ("metadata", {"originalFileName": "ocr:x", "order": "up"}),
    ("metadata", {"description": ["ocr:x"]}),
]


@pytest.mark.parametrize(("path", "body"), IMMICHS)
async def test_what_is_not_ours_is_answered_by_immich(
    companion: Searching, user: User, path: str, body: object
) -> None:
    async with companion.counting("ours", 0):
        await companion.same(path, user, body)


async def test_pages_of_a_search_neither_repeat_nor_skip(companion: Searching, user: User) -> None:
    whole = await companion.names(user, query="发票")
    pages: list[str] = []
    for page in range(1, len(whole) + 2):
        pages += await companion.names(user, query="发票", size=1, page=page)
    assert pages == whole

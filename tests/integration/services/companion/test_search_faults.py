"""Whatever of ours fails while searches come, Immich's own search never does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from immich_aio.errors import UnavailableError
from immich_aio.services.companion import index_keeper, parity
from immich_aio.services.companion.keeper_status import State
from tests.integration.services.companion.companions import (
    Searching,
    filled,
    read,
    road_to,
    searching,
)
from tests.integration.services.live import live
from tests.integration.services.sandbox.mini import Mini, User
from tests.integration.services.sandbox.ml_server import MlServer, ml_server

TEXTS = ["hotel.png", "invoice.jpg", "scan.heic"]


@pytest_asyncio.fixture
async def user(newest: Mini) -> User:
    user = await filled(newest)
    await newest.data.run("save_ocr_search", id=newest.names["sea.jpg"], text="发票")
    return user


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long in a test."""
    monkeypatch.setattr(index_keeper, "RETRY", 0.05)
    monkeypatch.setattr(index_keeper, "REFUSED", 0.05)


async def test_without_a_database_everything_is_immichs(
    newest: Mini, user: User, ml: MlServer
) -> None:
    """And ``ocr:`` is its own filter."""
    async with searching(newest, ml, db_url=None) as companion:
        assert companion.feature.keeper.status().state is State.OFF
        await companion.same("smart", user, {"query": "发票"})
        assert await companion.names(user, query="ocr:发票") == ["sea.jpg"]
        assert await companion.names(user, "metadata", originalFileName="ocr:发票") == ["sea.jpg"]


async def test_a_database_that_dies_and_comes_back(newest: Mini, user: User, ml: MlServer) -> None:
    """While searches come without a pause: every one is answered, and at the end by us again."""
    async with (
        road_to(newest.data.database.url) as road,
        searching(newest, ml, db_url=SecretStr(road.url)) as companion,
    ):
        done = asyncio.Event()
        callers = [asyncio.create_task(_search_until(done, companion, user)) for _ in range(3)]
        await road.break_()
        await companion.comes_to(State.AWAY)
        assert await companion.names(user, query="ocr:发票") == ["sea.jpg"]
        await companion.same("smart", user, {"query": "zzz"})
        await road.mend()
        await companion.ready()
        done.set()
        assert sum(await asyncio.gather(*callers)) > 3
        assert sorted(await companion.names(user, query="ocr:发票")) == TEXTS


async def _search_until(done: asyncio.Event, companion: Searching, user: User) -> int:
    count = 0
    while not done.is_set():
        for body in ({"query": "发票"}, {"query": "ocr:发票"}):
            assert await companion.names(user, **body)
            count += 1
    return count


async def test_a_database_that_hangs_costs_one_search_its_patience(
    newest: Mini, user: User, ml: MlServer
) -> None:
    """Others go to Immich at once, until it answers."""
    async with road_to(newest.data.database.url) as road:
        settings = {"db_url": SecretStr(road.url), "companion_timeout": 0.5}
        async with searching(newest, ml, **settings) as companion:
            road.block()
            async with companion.counting("late", 1):
                assert await companion.names(user, query="ocr:发票") == ["sea.jpg"]
            async with companion.counting("off", 2):
                assert await companion.names(user, query="ocr:发票") == ["sea.jpg"]
                await companion.same("smart", user, {"query": "zzz"})
            await road.mend()
            await companion.ready()
            assert sorted(await companion.names(user, query="ocr:发票")) == TEXTS


async def test_without_vectors_words_go_first_and_immichs_own_results_follow(
    newest: Mini, user: User
) -> None:
    async with searching(newest, None) as companion:
        native = await _names(companion.immichs("smart", user, {"query": "发票"}))
        rest = [name for name in native if name not in TEXTS]
        whole = await companion.names(user, query="发票")
        assert (sorted(whole[:3]), whole[3:]) == (TEXTS, rest)
        for size in (1, 2, 3, 4):
            assert await _all_pages(companion, user, size) == whole
        await companion.same("smart", user, {"query": "zzz", "size": 2, "page": 2})
        assert await companion.names(user, query="发票 -酒店") == [
            name for name in whole[:3] if name != "hotel.png"
        ]


async def _names(asking: Any) -> list[str]:  # noqa: ANN401  # a reply to come
    return [item["originalFileName"] for item in (await asking).json["assets"]["items"]]


async def _all_pages(companion: Searching, user: User, size: int) -> list[str]:
    """Page after page, as long as there is another."""
    found: list[str] = []
    page: str | None = "1"
    while page is not None:
        body = {"query": "发票", "size": size, "page": int(page)}
        reply = await companion.ask("smart", user, body)
        found += [item["originalFileName"] for item in reply.json["assets"]["items"]]
        page = reply.json["assets"]["nextPage"]
    return found


async def test_where_nobody_makes_vectors_texts_are_found_all_the_same(
    newest: Mini, user: User, ml: MlServer
) -> None:
    """And where no text has the words, Immich's failure is shown as it is."""
    ml.failing.add("clip")
    async with searching(newest, ml) as companion:
        assert sorted(await companion.names(user, query="发票")) == TEXTS
        assert (await companion.same("smart", user, {"query": "zzz"})).status == 500
        ml.failing.clear()
        assert len(await companion.names(user, query="发票")) == 7


async def test_what_makes_vectors_may_hang_but_not_searches(
    newest: Mini, user: User, ml: MlServer
) -> None:
    async with ml_server() as slow, searching(newest, slow, companion_timeout=1.0) as companion:
        slow.held.clear()
        first = await companion.names(user, query="发票")
        assert (sorted(first[:3]), len(first)) == (TEXTS, 7)  # the rest is Immich's
        asked = len(slow.asked)
        assert await companion.names(user, query="酒店 发票")
        assert len(slow.asked) == asked  # it is left alone for a while
        slow.held.set()
    assert ml.asked


@dataclass
class OtherImmich:
    """A miniature whose replies are changed on the way."""

    app: ASGIApp
    change: Callable[[Any], None] = lambda _reply: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        kept: list[Message] = []

        async def keep(message: Message) -> None:
            kept.append(message)

        await self.app(scope, receive, keep)
        if kept[0]["status"] == 200:
            reply = json.loads(b"".join(one.get("body", b"") for one in kept[1:]))
            self.change(reply)
            body = json.dumps(reply).encode()
            headers = [(k, v) for k, v in kept[0]["headers"] if k.lower() != b"content-length"]
            headers.append((b"content-length", str(len(body)).encode()))
            kept = [kept[0] | {"headers": headers}, {"type": "http.response.body", "body": body}]
        for message in kept:
            await send(message)


def of_tomorrow(reply: Any) -> None:  # noqa: ANN401  # any JSON
    """A version whose assets have another field."""
    if "major" in reply:
        reply["major"] = 9
    for item in reply.get("assets", {}).get("items", ()) if isinstance(reply, dict) else ():
        item["moods"] = [item["originalFileName"]]


@contextlib.asynccontextmanager
async def before(
    mini: Mini, ml: MlServer, change: Callable[[Any], None]
) -> AsyncIterator[tuple[Searching, OtherImmich]]:
    other = OtherImmich(mini.miniature.app, change)
    async with live(other) as url, searching(mini, ml, immich=url) as companion:
        yield companion, other


async def test_assets_that_immich_writes_otherwise_are_asked_of_it(
    newest: Mini, user: User, ml: MlServer
) -> None:
    async with before(newest, ml, of_tomorrow) as (companion, _):
        for body in ({"query": "ocr:发票", "withExif": True}, {"query": "zzz"}):
            reply = await companion.ask("smart", user, body)
            items = reply.json["assets"]["items"]
            assert len(items) >= 3
            assert all(item["moods"] == [item["originalFileName"]] for item in items)
            assert all(("exifInfo" in item) is ("withExif" in body) for item in items)


async def test_another_version_of_immich_is_looked_at_anew(
    newest: Mini, user: User, ml: MlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "VERSION_FRESH", 0.0)
    async with before(newest, ml, lambda _reply: None) as (companion, other):
        (one,) = (await companion.ask("smart", user, {"query": "ocr:增值税"})).json["assets"][
            "items"
        ]
        assert "moods" not in one
        other.change = of_tomorrow
        (one,) = (await companion.ask("smart", user, {"query": "ocr:增值税"})).json["assets"][
            "items"
        ]
        assert one["moods"] == ["invoice.jpg"]


async def test_tables_that_are_not_known_switch_search_off_with_a_reason(
    newest: Mini, user: User, ml: MlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when Immich is updated while we run; and they may come to be known again."""
    monkeypatch.setattr(index_keeper, "GUARD", 0.0)
    async with searching(newest, ml) as companion:
        await newest.run('ALTER TABLE asset_ocr RENAME "isVisible" TO "isShown"')
        await companion.comes_to(State.REFUSED)
        assert '"isVisible" is missing' in companion.feature.keeper.status().reason
        with pytest.raises(UnavailableError, match="isVisible"):
            _ = companion.feature.keeper.parts
        assert await companion.names(user, query="ocr:发票") == ["sea.jpg"]
        await newest.run('ALTER TABLE asset_ocr RENAME "isShown" TO "isVisible"')
        await companion.ready()
        assert sorted(await companion.names(user, query="ocr:发票")) == TEXTS


async def test_an_index_that_is_taken_away_is_not_made_again_behind_somebodys_back(
    newest: Mini, user: User, ml: MlServer
) -> None:
    async with searching(newest, ml) as companion:
        await newest.run("DROP SCHEMA immich_aio CASCADE")
        await read(newest, "sea.jpg", "new")  # so that there is something to look at
        await companion.comes_to(State.REMOVED)
        assert await companion.names(user, query="ocr:发票") == ["sea.jpg"]
        assert not await newest.rows("SELECT FROM pg_namespace WHERE nspname = 'immich_aio'")
    async with searching(newest, ml) as companion:  # at the next start it is
        assert sorted(await companion.names(user, query="ocr:发票")) == TEXTS


async def test_an_immich_that_is_away_is_answered_for_by_nobody(
    newest: Mini, user: User, ml: MlServer
) -> None:
    """Who asks cannot be settled then, so nothing is shown."""
    async with searching(newest, ml, immich="http://127.0.0.1:9") as companion:
        for body in ({"query": "发票"}, {"query": "ocr:发票"}):
            assert (await companion.ask("smart", user, body)).status == 502

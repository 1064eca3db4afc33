"""What the companion's pages ask for: who is told, and what is said of parts that are missing."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from immich_aio.cli.companion import companion_of
from immich_aio.services.companion.app import create_app
from immich_aio.services.companion.page_door import PAGE_HEADERS
from immich_aio.settings import Settings
from tests.integration.services.live import Reply, ask, live
from tests.integration.services.sandbox.mini import Mini, User

STATUS, SEARCH = "/aio/api/status", "/aio/api/search?q=x"


@contextlib.asynccontextmanager
async def companion(immich: str, **settings: SecretStr | str) -> AsyncIterator[str]:
    """A companion that knows of nothing but Immich and these."""
    chosen = Settings.model_construct(**({"immich_url": immich} | settings))
    async with live(create_app(companion_of(chosen))) as url:
        yield url


async def get(url: str, who: User | dict[str, str], path: str) -> Reply:
    return await ask(url + path, headers=who.by_session if isinstance(who, User) else who)


async def test_only_administrators_are_told_how_everything_stands(newest: Mini) -> None:
    admin, mei = await newest.user(), await newest.user("mei", admin=False)
    some = await newest.key(admin, "user.read", "asset.read")
    async with companion(newest.url) as url:
        told = [await get(url, who, STATUS) for who in (admin, admin.by_key, mei, some, {})]
        assert [reply.status for reply in told] == [200, 200, 403, 403, 401]
        shared = await get(url, {"x-immich-share-key": "00"}, SEARCH)
        assert shared.status == 401


async def test_what_is_missing_is_said_part_by_part(newest: Mini) -> None:
    admin = await newest.user()
    away = SecretStr("redis://:secret@127.0.0.1:1")
    async with companion(newest.url, redis_url=away, search_ml_url="http://127.0.0.1:1") as url:
        reply = await get(url, admin, STATUS)
    told = reply.json
    assert told["immich"]["version"] == "3.1.0"
    assert told["immich"]["switches"]["ocr"] is True
    assert (told["search"]["state"], told["search"]["documents"]) == ("off", None)
    assert "DB_HOSTNAME" in told["search"]["reason"]
    assert "cannot be reached" in told["meaning"]["reason"]
    assert told["meaning"]["answered"] is None
    assert told["gateway"]["reachable"] is False
    assert "REDIS_HOSTNAME" in told["queues"]["reason"]
    assert "secret" not in reply.body.decode()


async def test_the_last_warnings_are_told_newest_first_while_the_companion_stands(
    newest: Mini, caplog: pytest.LogCaptureFixture
) -> None:
    admin, log = await newest.user(), logging.getLogger("immich_aio.a_part")
    handlers = list(logging.getLogger("immich_aio").handlers)
    async with companion(newest.url) as url:
        await get(url, admin, STATUS)  # by now it stands
        log.info("all is well")
        log.warning("the %s is low", "disk")
        log.error("it is full")
        errors = (await get(url, admin, STATUS)).json["errors"]
    assert [(one["level"], one["message"]) for one in errors[:2]] == [
        ("error", "it is full"),
        ("warning", "the disk is low"),
    ]
    assert "all is well" not in [one["message"] for one in errors]
    assert logging.getLogger("immich_aio").handlers == handlers
    caplog.clear()


async def test_a_search_that_cannot_be_is_refused_with_why(newest: Mini) -> None:
    admin = await newest.user()
    async with companion(newest.url) as url:
        for path in ("/aio/api/search", "/aio/api/search?q=+", "/aio/api/search?q=x&page=0"):
            assert (await get(url, admin, path)).status == 400
        off = await get(url, admin, SEARCH)
        assert off.status == 503
        assert "no database is set" in off.json["detail"]
        unread = await get(url, await newest.key(admin, "user.read"), SEARCH)
        assert unread.status == 403


async def test_pages_are_for_those_who_logged_in_and_under_a_strict_policy(newest: Mini) -> None:
    admin = await newest.user()
    async with companion(newest.url) as url:
        for path in ("/aio/", "/aio/search"):
            reply = await get(url, admin, path)
            assert reply.status == 200
            policy = reply.headers["Content-Security-Policy"]
            assert policy == PAGE_HEADERS["Content-Security-Policy"]
            assert "unsafe" not in policy
        for name in ("base.css", "pages.css", "pages.js", "search.js", "status.js", "aio.js"):
            assert (await get(url, {}, f"/aio/static/{name}")).status == 200

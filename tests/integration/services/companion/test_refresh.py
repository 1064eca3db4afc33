"""One photo read or encoded again: by whom, through real queues and Immich's worker, to the end."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from immich_aio.cli.companion_refresh import queues_of, refresh_features
from immich_aio.errors import UnavailableError
from immich_aio.services.companion.app import create_app
from immich_aio.services.companion.caller import Callers
from immich_aio.services.companion.companion import Companion, CompanionConfig
from immich_aio.services.companion.refresh import HEADER, SKIPPED
from immich_aio.services.companion.refreshes import AT_MOST
from immich_aio.settings import Settings
from immich_aio.upstream.immich_api import ImmichApi
from tests.integration.services.live import Reply, ask, live
from tests.integration.services.sandbox.mini import Mini, User
from tests.integration.services.sandbox.ml_server import MlServer

NAMES = ("refresh-ocr", "refresh-smart-search")
QUEUES = {"refresh-ocr": "ocr", "refresh-smart-search": "smartSearch"}


@contextlib.asynccontextmanager
async def companion_of(immich: str, **settings: SecretStr | None) -> AsyncIterator[str]:
    """A companion that refreshes, before the Immich of that address."""
    api = ImmichApi(immich, 5)
    chosen = Settings.model_construct(**settings)
    queues = queues_of(chosen)
    features = refresh_features(chosen, api, Callers(api), queues, no_index)
    app = create_app(Companion(CompanionConfig(immich), features))
    async with live(app) as url:
        yield url
    await api.close()
    if not isinstance(queues, UnavailableError):
        await queues.close()


async def no_index(_seconds: float) -> None:
    """There is none that would have to follow."""


def stores(mini: Mini) -> dict[str, SecretStr | None]:
    """The settings that name the miniature's database and queues."""
    return {
        "db_url": SecretStr(mini.data.database.url),
        "redis_url": SecretStr(mini.redis_url),
    }


@pytest_asyncio.fixture
async def companion(mini: Mini) -> AsyncIterator[str]:
    async with companion_of(mini.url, **stores(mini)) as url:
        yield url


@pytest_asyncio.fixture
async def newest_companion(newest: Mini) -> AsyncIterator[str]:
    async with companion_of(newest.url, **stores(newest)) as url:
        yield url


async def refresh(
    url: str, who: User | dict[str, str], name: str, *ids: object, path: str = "/api/assets/jobs"
) -> Reply:
    headers = who.by_session if isinstance(who, User) else who
    body = json.dumps({"assetIds": [str(one) for one in ids], "name": name})
    headers = {**headers, "content-type": "application/json"}
    return await ask(f"{url}{path}", "POST", headers=headers, data=body)


async def report(url: str, who: User, reply: Reply) -> Reply:
    return await ask(f"{url}/aio/api/refreshes/{reply.headers[HEADER]}", headers=who.by_session)


async def unfinished(mini: Mini, name: str) -> int:
    return (await mini.queues.counts(QUEUES[name])).unfinished


def same(one: Reply, other: Reply) -> bool:
    """Whether two replies are alike but for the number that tells errors of 2.x apart."""
    bodies = [dict(reply.json, correlationId=None) for reply in (one, other)]
    return one.status == other.status and bodies[0] == bodies[1]


@pytest.mark.parametrize("name", NAMES)
async def test_immichs_worker_does_it_again_and_it_is_followed_to_its_end(
    mini: Mini, ml: MlServer, companion: str, name: str
) -> None:
    """Also where the result is the same as before."""
    user = await mini.user()
    photos = [await mini.photo(user, each) for each in ("a.jpg", "b.jpg")]
    await mini.work()
    ml.asked.clear()
    reply = await refresh(companion, user, name, *photos, path="/API/assets/Jobs/")
    assert (reply.status, reply.body) == (204, b"")
    waiting = {"name": name, "total": 2, "done": 0, "waiting": 2, "failed": 0}
    rest = {"skipped": {}, "paused": False}
    assert (await report(companion, user, reply)).json == waiting | rest
    await mini.work()
    assert len(ml.asked) == 2
    done = waiting | {"done": 2, "waiting": 0} | rest
    assert (await report(companion, user, reply)).json == done


async def test_a_photo_whose_new_text_is_another_has_that(
    newest: Mini, ml: MlServer, newest_companion: str
) -> None:
    user = await newest.user()
    photo, other = await newest.photo(user, "a.jpg"), await newest.photo(user, "b.jpg")
    await newest.work()
    ml.lines = ["新的"]
    await refresh(newest_companion, user, "refresh-ocr", photo)
    await newest.work()
    rows = await newest.rows('SELECT "assetId" AS id, text FROM asset_ocr')
    assert [row["text"] for row in rows if row["id"] == photo] == ["新的"]
    assert [row["text"] for row in rows if row["id"] == other] != ["新的"]


async def test_who_asks_twice_gets_it_done_once(newest: Mini, newest_companion: str) -> None:
    name = "refresh-smart-search"
    user = await newest.user()
    photo = await newest.photo(user)
    await newest.work()
    replies = [await refresh(newest_companion, user, name, photo, photo) for _ in range(3)]
    assert await unfinished(newest, name) == 1
    await newest.work()
    for reply in replies:
        told = (await report(newest_companion, user, reply)).json
        assert (told["total"], told["done"]) == (1, 1)
    await refresh(newest_companion, user, name, photo)
    assert await unfinished(newest, name) == 1


async def test_a_job_that_immich_lost_is_told_as_failed(
    newest: Mini, ml: MlServer, newest_companion: str
) -> None:
    user = await newest.user()
    photo = await newest.photo(user)
    await newest.work()
    ml.failing = {"ocr"}
    reply = await refresh(newest_companion, user, "refresh-ocr", photo)
    await newest.work()
    told = (await report(newest_companion, user, reply)).json
    assert (told["done"], told["waiting"], told["failed"]) == (0, 0, 1)


async def test_a_queue_that_is_paused_is_told(newest: Mini, newest_companion: str) -> None:
    user = await newest.user()
    photo = await newest.photo(user)
    await newest.work()
    await newest.queues.pause("ocr")
    try:
        reply = await refresh(newest_companion, user, "refresh-ocr", photo)
        assert (await report(newest_companion, user, reply)).json["paused"] is True
    finally:
        await newest.queues.resume("ocr")


async def test_what_immich_refuses_is_refused_in_its_words(mini: Mini, companion: str) -> None:
    """Nobody, a stranger, a key that may not, a photo of another's, of a partner's, of nobody's."""
    name = "refresh-ocr"
    user, mei = await mini.user(), await mini.user("mei", admin=False)
    await mini.partner(mei, user, in_timeline=True)
    own, theirs = await mini.photo(user, "a.jpg"), await mini.photo(mei, "b.jpg")
    locked = await mini.photo(user, "c.jpg")
    await mini.run("UPDATE asset SET visibility = 'locked' WHERE id = %(id)s", id=locked)
    await mini.work()
    cases: list[tuple[User | dict[str, str], tuple[object, ...]]] = [
        ({}, (own,)),
        ({"x-api-key": "made up"}, (own,)),
        (await mini.key(user, "asset.read", "user.read"), (own,)),
        ({"x-immich-share-key": "00"}, (own,)),
        (user, (theirs,)),
        (user, (own, theirs)),
        (user, (uuid4(),)),
        (user, (locked,)),
        (user, ("no id",)),
    ]
    for who, ids in cases:
        reply = await refresh(companion, who, name, *ids)
        assert same(reply, await refresh(mini.url, who, "refresh-faces", *ids)), (who, ids)
        assert reply.status in (400, 401, 403)
    assert await unfinished(mini, name) == 0
    await mini.unlock(user)
    assert (await refresh(companion, user, name, locked)).status == 204


async def test_a_key_that_may_run_jobs_may_run_these(mini: Mini, companion: str) -> None:
    user = await mini.user()
    photo = await mini.photo(user)
    await mini.work()
    allowed = ("all",) if mini.old else ("job.create", "user.read")
    reply = await refresh(companion, await mini.key(user, *allowed), "refresh-ocr", photo)
    assert reply.status == 204


async def test_jobs_of_immichs_own_and_unknown_ones_are_immichs(
    newest: Mini, newest_companion: str
) -> None:
    user = await newest.user()
    photo = await newest.photo(user)
    await newest.work()
    assert (await refresh(newest_companion, user, "refresh-faces", photo)).status == 204
    assert (await newest.queues.counts("faceDetection")).unfinished == 1
    for name in ("refresh-everything", "Refresh-OCR", ""):
        reply = await refresh(newest_companion, user, name, photo)
        assert reply.status == 400
        assert same(reply, await refresh(newest.url, user, name, photo))


async def test_what_immichs_worker_would_drop_is_said_and_the_rest_is_done(
    newest: Mini, newest_companion: str
) -> None:
    user = await newest.user()
    fine, bare = await newest.photo(user, "a.jpg"), await newest.asset(user, "b.jpg")
    half = await newest.photo(user, "c.jpg")
    await newest.run("UPDATE asset SET visibility = 'hidden' WHERE id = %(id)s", id=half)
    await newest.work()
    for name in NAMES:
        for photo, words, reason in ((bare, "no preview", "noPreview"), (half, "half", "hidden")):
            reply = await refresh(newest_companion, user, name, photo)
            assert (reply.status, reply.headers[SKIPPED]) == (400, reason)
            assert words in reply.json["message"]
    reply = await refresh(newest_companion, user, "refresh-ocr", bare, fine, half)
    assert reply.status == 204
    await newest.work()
    told = (await report(newest_companion, user, reply)).json
    assert (told["total"], told["done"], told["failed"]) == (3, 1, 0)
    assert told["skipped"] == {"noPreview": 1, "hidden": 1}


async def test_an_edited_photo_is_read_but_has_no_vector_made(
    newest: Mini, newest_companion: str
) -> None:
    """Immich drops the second without a word."""
    user = await newest.user()
    photo = await newest.photo(user)
    await newest.work()
    await newest.run(
        'INSERT INTO asset_file ("assetId", type, path, "isEdited") '
        "VALUES (%(id)s, 'preview', '/edited', true)",
        id=photo,
    )
    assert (await refresh(newest_companion, user, "refresh-ocr", photo)).status == 204
    reply = await refresh(newest_companion, user, "refresh-smart-search", photo)
    assert reply.status == 400
    assert "edited" in reply.json["message"]


async def test_more_than_can_be_queued_in_time_are_refused(
    newest: Mini, newest_companion: str
) -> None:
    ids = [uuid4() for _ in range(AT_MOST + 1)]
    reply = await refresh(newest_companion, await newest.user(), "refresh-ocr", *ids)
    assert (reply.status, f"At most {AT_MOST}" in reply.json["message"]) == (400, True)


async def test_nobody_follows_what_another_began(newest: Mini, newest_companion: str) -> None:
    user, mei = await newest.user(), await newest.user("mei", admin=False)
    photo = await newest.photo(user)
    await newest.work()
    reply = await refresh(newest_companion, user, "refresh-ocr", photo)
    assert (await report(newest_companion, mei, reply)).status == 404
    address = f"{newest_companion}/aio/api/refreshes/{reply.headers[HEADER]}"
    assert (await ask(address)).status == 401
    assert (await report(newest_companion, user, reply)).status == 200


AWAY: list[tuple[dict[str, SecretStr | None], str]] = [
    ({"redis_url": SecretStr("redis://:secret@127.0.0.1:1/0")}, "REDIS_HOSTNAME"),
    ({"redis_url": None}, "Set REDIS_HOSTNAME"),
    ({"db_url": SecretStr("postgresql://x:secret@127.0.0.1:1/immich")}, "DB_HOSTNAME"),
    ({"db_url": None}, "Set DB_HOSTNAME"),
]


async def test_what_is_away_or_not_set_is_said_with_what_to_do(newest: Mini) -> None:
    """And jobs of Immich's own go on."""
    user = await newest.user()
    photo = await newest.photo(user)
    await newest.work()
    for wrong, words in AWAY:
        async with companion_of(newest.url, **(stores(newest) | wrong)) as companion:
            reply = await refresh(companion, user, "refresh-ocr", photo)
            assert reply.status == 503
            assert words in reply.json["message"]
            assert "secret" not in reply.body.decode()
            assert (await refresh(companion, user, "refresh-metadata", photo)).status == 204


async def test_what_is_switched_off_in_immich_is_said(newest: Mini) -> None:
    """Its worker would drop the jobs. The miniature has no such switch, so one stands before it."""
    user = await newest.user()
    photo: UUID = await newest.photo(user)
    await newest.work()

    async def features(_request: Request) -> Response:
        return JSONResponse({"ocr": False, "smartSearch": True})

    async def rest(request: Request) -> Response:
        headers = dict(request.headers)
        url = f"{newest.url}{request.url.path}"
        answered = await ask(url, request.method, headers=headers, data=await request.body())
        return Response(answered.body, answered.status, media_type="application/json")

    methods = ["GET", "POST"]
    switched = Starlette(
        routes=[
            Route("/api/server/features", features),
            Route("/{path:path}", rest, methods=methods),
        ]
    )
    async with live(switched) as immich, companion_of(immich, **stores(newest)) as companion:
        reply = await refresh(companion, user, "refresh-ocr", photo)
        assert reply.status == 400
        assert "OCR is switched off" in reply.json["message"]
        assert (await refresh(companion, user, "refresh-smart-search", photo)).status == 204

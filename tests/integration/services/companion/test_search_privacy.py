"""Nobody finds what is not theirs to see: by search, by explanation, or by what is remembered."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio

from immich_aio.domain.immich import Visibility
from immich_aio.errors import ForbiddenError
from immich_aio.services.companion import caller as callers
from immich_aio.services.companion.caller import Caller
from immich_aio.services.companion.explained import explained
from immich_aio.upstream.immich_api import Credentials
from tests.integration.services.companion.companions import Searching, read, searching
from tests.integration.services.live import ask
from tests.integration.services.sandbox.mini import Mini, User
from tests.integration.services.sandbox.ml_server import CORNERS, MlServer

WORD = "发票"
MINE = {"mine.jpg", "archived.jpg"}
DOORS = ({"query": WORD}, {"query": f"ocr:{WORD}"}, {"query": "zzz"})


@pytest_asyncio.fixture
async def companion(newest: Mini, ml: MlServer) -> AsyncIterator[Searching]:
    """Two users with the same words and the same looks in their photos."""
    for name, prefix in (("admin", ""), ("mei", "meis-")):
        user = await newest.user(name, admin=name == "admin")
        await newest.asset(user, f"{prefix}mine.jpg", vector="paper")
        await newest.asset(
            user, f"{prefix}archived.jpg", vector="paper", visibility=Visibility.ARCHIVE
        )
        await newest.asset(
            user, f"{prefix}locked.jpg", vector="paper", visibility=Visibility.LOCKED
        )
    for name in tuple(newest.names):
        await read(newest, name, WORD)
    async with searching(newest, ml) as made:
        yield made


@pytest.fixture
def user(companion: Searching) -> User:
    return companion.mini.users["admin"]


@pytest.fixture
def mei(companion: Searching) -> User:
    return companion.mini.users["mei"]


async def seen(companion: Searching, who: User | dict[str, str], **more: object) -> set[str]:
    """What is seen through any door; each must show the same."""
    found = [set(await companion.names(who, **body, **more)) for body in DOORS]
    found.append(set(await companion.names(who, "metadata", ocr=f"ocr:{WORD}", **more)))
    assert all(one == found[0] for one in found)
    return found[0]


async def explained_names(
    companion: Searching, who: User | dict[str, str], page: int = 1
) -> list[str]:
    caller = await known(companion, who)
    assert caller is not None
    found = await explained(companion.feature.searcher, caller, WORD, page=page)
    return [one.label.name for one in found.results]


async def known(companion: Searching, who: User | dict[str, str]) -> Caller | None:
    headers = who.by_session if isinstance(who, User) else who
    return await companion.feature.callers.known_by(Credentials.of(headers.items(), ""))


async def test_each_user_finds_their_own(companion: Searching, user: User, mei: User) -> None:
    """Also one after the other, with the same words: what is remembered is one person's."""
    for _ in range(2):
        assert await seen(companion, user) == MINE
        assert await seen(companion, mei) == {f"meis-{name}" for name in MINE}
        assert await explained_names(companion, user) == ["mine.jpg"]
        assert await explained_names(companion, mei) == ["meis-mine.jpg"]


async def test_a_partners_photos_are_found_while_they_are_in_the_timeline(
    companion: Searching, user: User, mei: User
) -> None:
    await companion.mini.partner(mei, user, in_timeline=False)
    assert await seen(companion, user) == MINE
    path = f"/partners/{mei.id}"
    for in_timeline in (True, False):
        await companion.mini.ask(path, "PUT", user=user, json={"inTimeline": in_timeline})
        theirs = {"meis-mine.jpg", "meis-archived.jpg"} if in_timeline else set()
        assert await seen(companion, user) == MINE | theirs
        assert await seen(companion, mei) == {"meis-mine.jpg", "meis-archived.jpg"}
        for body in DOORS:
            native = await companion.immichs("smart", user, {"query": "zzz"})
            assert {item["originalFileName"] for item in native.json["assets"]["items"]} == set(
                await companion.names(user, **body)
            )


async def test_locked_photos_are_found_by_an_unlocked_session_alone(
    companion: Searching, user: User, mei: User
) -> None:
    await companion.mini.partner(mei, user, in_timeline=True)
    for body in DOORS:
        refused = await companion.same("smart", user, {**body, "visibility": "locked"})
        assert refused.status == 401
    await companion.mini.unlock(user)
    assert await seen(companion, user, visibility="locked") == {"locked.jpg"}
    everything = {"meis-mine.jpg", "meis-archived.jpg", "meis-locked.jpg", "locked.jpg", *MINE}
    native = await companion.immichs("smart", user, {"query": "zzz"})
    assert {item["originalFileName"] for item in native.json["assets"]["items"]} == everything
    key = {"x-api-key": user.key}  # a key is never unlocked
    assert "locked.jpg" not in await seen(companion, key)
    await companion.mini.ask("/auth/session/lock", "POST", headers=user.by_session)
    assert "locked.jpg" not in await seen(companion, user)  # at once
    assert set(await explained_names(companion, user)) == {"mine.jpg", "meis-mine.jpg"}


async def test_what_is_locked_or_deleted_is_gone_from_what_is_remembered(
    companion: Searching, user: User
) -> None:
    """The second page goes on from the first, which was before."""
    for body in DOORS:
        await companion.mini.run("UPDATE asset SET visibility = 'timeline', \"deletedAt\" = NULL")
        names = [*await companion.names(user, **body, size=1)]
        names += await companion.names(user, **body, size=1, page=2)
        last = companion.mini.names[names[-1]]
        for change in ("visibility = 'locked'", '"deletedAt" = now()'):
            await companion.mini.run(f"UPDATE asset SET {change} WHERE id = %(id)s", id=last)  # noqa: S608
            assert names[-1] not in await companion.names(user, **body, size=1, page=2)


async def test_keys_may_do_what_they_are_granted(companion: Searching, user: User) -> None:
    """A key that may read assets but not ask whose it is searches its owner's all the same."""
    reading = await companion.mini.key(user, "asset.read")
    assert await seen(companion, reading) == MINE
    caller = await known(companion, reading)
    assert caller is not None
    assert (caller.user_id, caller.may("asset.read"), caller.may("asset.update")) == (
        user.id,
        True,
        False,
    )
    other = await companion.mini.key(user, "asset.update", "user.read")
    for body in DOORS:
        assert (await companion.same("smart", other, body)).status == 403
    stranger = await known(companion, other)
    assert stranger is not None
    with pytest.raises(ForbiddenError):
        await explained(companion.feature.searcher, stranger, WORD)


async def test_who_is_unknown_gets_immichs_words(companion: Searching, user: User) -> None:
    """Whatever else a request has: headers that are not Immich's make nobody of anybody."""
    strangers: list[dict[str, str]] = [
        {},
        {"x-api-key": "wrong"},
        {"authorization": "Bearer wrong"},
        {"cookie": "immich_access_token=wrong"},
        {"x-user-id": str(user.id), "remote-user": user.email},
        {"x-immich-share-key": "wrong", **user.by_session},
    ]
    for headers in strangers:
        for body in DOORS:
            assert (await companion.same("smart", headers, body)).status == 401
        assert (await companion.same("metadata", headers, {"ocr": f"ocr:{WORD}"})).status == 401
        assert await known(companion, headers) is None


async def test_a_shared_link_finds_what_immich_lets_it(companion: Searching, user: User) -> None:
    mini = companion.mini
    album = await mini.album(user, "trip", "mine.jpg")
    key = secrets.token_bytes(50)
    await mini.run(
        'INSERT INTO shared_link ("userId", key, type, "albumId", "allowUpload", "allowDownload", '
        "\"showExif\") VALUES (%(user)s, %(key)s, 'ALBUM', %(album)s, false, true, true)",
        user=user.id,
        key=key,
        album=album,
    )
    link = {"x-immich-share-key": key.hex()}
    for who in (link, {**link, **user.by_session}):  # Immich looks at the link first
        for body in DOORS:
            assert (await companion.same("smart", who, body)).status == 403
        for body in ({"ocr": f"ocr:{WORD}"}, {"ocr": f"ocr:{WORD}", "albumIds": [str(album)]}):
            await companion.same("metadata", who, body)
        assert await known(companion, who) is None
        by_query = f"/api/search/smart?key={key.hex()}"
        reply = await ask(
            companion.url + by_query,
            "POST",
            headers={**user.by_session, "content-type": "application/json"},
            data=json.dumps({"query": WORD}),
        )
        assert reply.status == 403


async def test_credentials_come_in_all_of_immichs_ways(companion: Searching, user: User) -> None:
    ways: list[tuple[dict[str, str], str]] = [
        ({"cookie": f"a=b; immich_access_token={user.token}"}, ""),
        ({"x-immich-user-token": user.token}, ""),
        ({"x-immich-session-token": user.token}, ""),
        ({}, f"?sessionKey={user.token}"),
        ({}, f"?apiKey={user.key}"),
    ]
    for headers, query in ways:
        assert await companion.names(headers, f"smart{query}", query=f"ocr:{WORD}")


async def test_a_session_that_has_ended_finds_nothing(
    companion: Searching, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "FRESH", 0.0)
    assert await seen(companion, user) == MINE
    await companion.mini.ask("/auth/logout", "POST", headers=user.by_session)
    for body in DOORS:
        assert (await companion.same("smart", user, body)).status == 401


async def test_an_explanation_shows_the_lines_with_the_words_and_where_they_stand(
    companion: Searching, user: User
) -> None:
    caller = await known(companion, user)
    assert caller is not None
    found = await explained(companion.feature.searcher, caller, f"{WORD} -酒店", size=1)
    assert (found.words, found.excluded, found.reason, found.has_more) == (
        ((WORD,),),
        ("酒店",),
        "",
        False,
    )
    (one,) = found.results
    assert isinstance(one.hit.asset_id, UUID)
    assert (one.rank, one.label.name) == (1, "mine.jpg")
    assert one.explanation.total == pytest.approx(one.hit.score, abs=1e-6)
    (line,) = one.explanation.lines
    assert (line.text, line.marks) == (WORD, ((0, 2),))
    assert [place for corner in line.corners for place in corner] == pytest.approx(CORNERS)

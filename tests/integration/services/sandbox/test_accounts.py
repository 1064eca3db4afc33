"""Who is let in, by what, and to what; in Immich's words."""

from __future__ import annotations

import base64
from http.cookies import SimpleCookie
from uuid import uuid4

import pytest

from immich_aio.domain.immich import Visibility
from tests.integration.services.sandbox.mini import PASSWORD, PIN, Mini

WHO = "/users/me"


async def test_a_login_gives_a_token_and_the_same_as_a_cookie(mini: Mini) -> None:
    user = await mini.user()
    credentials = {"email": "ADMIN@example.com", "password": PASSWORD}
    reply = await mini.ask("/auth/login", "POST", json=credentials)
    assert reply.status == 201
    assert reply.json["userId"] == str(user.id)
    token = reply.json["accessToken"]
    assert reply.json.keys() == {
        "accessToken", "userId", "userEmail", "name", "isAdmin", "profileImagePath",
        "shouldChangePassword", "isOnboarded",
    }  # fmt: skip
    for headers in (
        {"authorization": f"bearer {token}"},
        {"cookie": f"other=1; immich_access_token={token}"},
        {"x-immich-user-token": token},
        {"x-immich-session-token": token},
    ):
        assert (await mini.ask(WHO, headers=headers)).json["email"] == user.email
    assert (await mini.ask(f"{WHO}?sessionKey={token}")).json["email"] == user.email
    assert (await mini.ask(f"{WHO}?apiKey={user.key}")).json["email"] == user.email


async def test_a_login_sets_three_cookies_of_which_scripts_see_one(newest: Mini) -> None:
    await newest.user()
    credentials = {"email": "admin@example.com", "password": PASSWORD}
    reply = await newest.ask("/auth/login", "POST", json=credentials)
    cookies: SimpleCookie = SimpleCookie()
    for value in reply.headers.getall("Set-Cookie"):
        cookies.load(value)
    assert cookies["immich_auth_type"].value == "password"
    assert {name for name, morsel in cookies.items() if not morsel["httponly"]} == {
        "immich_is_authenticated"
    }
    assert all(morsel["samesite"] == "lax" and not morsel["secure"] for morsel in cookies.values())


@pytest.mark.parametrize(
    ("email", "password"), [("admin@example.com", "wrong"), ("nobody@example.com", PASSWORD)]
)
async def test_a_wrong_login_is_not_told_what_was_wrong(
    newest: Mini, email: str, password: str
) -> None:
    await newest.user()
    reply = await newest.ask("/auth/login", "POST", json={"email": email, "password": password})
    assert (reply.status, reply.json) == (401, {"message": "Incorrect email or password"})


async def test_who_is_nobody_is_told_so_in_immichs_words(newest: Mini) -> None:
    for headers, message in (
        ({}, "Authentication required"),
        ({"x-api-key": "x"}, "Invalid API key"),
        ({"authorization": "Bearer x"}, "Invalid user token"),
        ({"x-immich-share-key": "x"}, "Invalid share key"),
        ({"x-immich-share-slug": "x"}, "Invalid share slug"),
    ):
        reply = await newest.ask(WHO, headers=headers)
        assert (reply.status, reply.json) == (401, {"message": message})


async def test_a_session_goes_before_a_key_and_a_shared_link_before_both(newest: Mini) -> None:
    user = await newest.user()
    both = {**user.by_key, "authorization": "Bearer wrong"}
    assert (await newest.ask(WHO, headers=both)).json["message"] == "Invalid user token"
    three = {**user.by_key, **user.by_session, "x-immich-share-key": "wrong"}
    assert (await newest.ask(WHO, headers=three)).json["message"] == "Invalid share key"


async def test_an_expired_session_and_one_that_logged_out_are_over(mini: Mini) -> None:
    user, other = await mini.user(), await mini.user("mei", admin=False)
    await mini.run(
        'UPDATE session SET "expiresAt" = now() - interval \'1 second\' WHERE "userId" = %(id)s',
        id=user.id,
    )
    assert (await mini.ask(WHO, headers=user.by_session)).status == 401
    reply = await mini.ask("/auth/logout", "POST", headers=other.by_session)
    assert reply.json == {"successful": True, "redirectUri": "/auth/login?autoLaunch=0"}
    assert (await mini.ask(WHO, headers=other.by_session)).status == 401


async def test_a_deleted_user_is_nobody(newest: Mini) -> None:
    user = await newest.user()
    await newest.run('UPDATE "user" SET "deletedAt" = now()')
    for headers in (user.by_key, user.by_session):
        assert (await newest.ask(WHO, headers=headers)).status == 401
    credentials = {"email": user.email, "password": PASSWORD}
    assert (await newest.ask("/auth/login", "POST", json=credentials)).status == 401


# ---- Keys


PERMISSIONS = [
    ("GET", "/users/me", "user.read"),
    ("POST", "/search/smart", "asset.read"),
    ("POST", "/search/metadata", "asset.read"),
    ("GET", f"/assets/{uuid4()}", "asset.read"),
    ("GET", f"/assets/{uuid4()}/ocr", "asset.read"),
    ("GET", f"/assets/{uuid4()}/thumbnail", "asset.view"),
    ("GET", f"/assets/{uuid4()}/original", "asset.download"),
    ("POST", "/assets", "asset.upload"),
    ("POST", "/assets/jobs", "job.create"),
    ("GET", "/jobs", "job.read"),
    ("PUT", "/jobs/ocr", "job.create"),
    ("GET", "/partners", "partner.read"),
    ("GET", "/api-keys", "apiKey.read"),
    ("GET", "/auth/status", "all"),
]


async def test_a_key_needs_the_permission_of_each_endpoint(newest: Mini) -> None:
    user = await newest.user()
    for method, path, permission in PERMISSIONS:
        others = {needed for _, _, needed in PERMISSIONS} - {permission, "all"}
        poor = await newest.ask(path, method, headers=await newest.key(user, *others))
        assert poor.status == 403, path
        assert poor.json == {"message": f"Missing required permission: {permission}"}
        enough = await newest.ask(path, method, headers=await newest.key(user, permission))
        assert enough.status not in (401, 403), path


async def test_a_key_may_always_ask_what_it_may(mini: Mini) -> None:
    user = await mini.user()
    reply = await mini.ask("/api-keys/me", headers=await mini.key(user, "asset.read"))
    assert (reply.status, reply.json["permissions"]) == (200, ["asset.read"])
    by_session = await mini.ask("/api-keys/me", headers=user.by_session)
    assert by_session.status == 403
    assert by_session.json["message"] == "Not authenticated with an API Key"


async def test_a_key_is_shown_once_and_cannot_give_more_than_it_has(mini: Mini) -> None:
    user = await mini.user()
    made = await mini.ask("/api-keys", "POST", user=user, json={"permissions": ["apiKey.create"]})
    assert (made.status, made.json["apiKey"]["name"]) == (201, "API Key")
    headers = {"x-api-key": made.json["secret"]}
    more = await mini.ask("/api-keys", "POST", headers=headers, json={"permissions": ["all"]})
    assert more.json["message"] == "Cannot grant permissions you do not have"
    listed = await mini.ask("/api-keys", user=user)
    assert len(listed.json) == 2
    assert made.json["secret"] not in listed.body.decode()


async def test_jobs_are_for_administrators(newest: Mini) -> None:
    user = await newest.user("mei", admin=False)
    for method, path in (("GET", "/jobs"), ("PUT", "/jobs/ocr")):
        reply = await newest.ask(path, method, user=user, json={"command": "start"})
        assert (reply.status, reply.json) == (403, {"message": "Forbidden"})


# ---- Sessions and the PIN


async def test_a_session_is_unlocked_by_the_pin_and_locked_again(mini: Mini) -> None:
    user = await mini.user()

    async def status() -> dict[str, object]:
        found = (await mini.ask("/auth/status", headers=user.by_session)).json
        assert isinstance(found, dict)
        return found

    assert await status() == {"pinCode": True, "password": True, "isElevated": False}
    for wrong, message in (("000000", "Wrong PIN code"), ("1", "Wrong PIN code")):
        reply = await mini.ask(
            "/auth/session/unlock", "POST", headers=user.by_session, json={"pinCode": wrong}
        )
        assert (reply.status, reply.json["message"]) == (400, message)
    await mini.unlock(user)
    assert (await status())["isElevated"] is True
    assert "pinExpiresAt" in await status()
    assert (await mini.ask("/auth/session/lock", "POST", headers=user.by_session)).status == 204
    assert (await status())["isElevated"] is False


async def test_a_key_is_never_elevated(mini: Mini) -> None:
    user = await mini.user()
    reply = await mini.ask("/auth/session/unlock", "POST", user=user, json={"pinCode": PIN})
    assert reply.json["message"] == "This endpoint can only be used with a session token"
    locked = await mini.ask("/search/metadata", "POST", user=user, json={"visibility": "locked"})
    assert (locked.status, locked.json["message"]) == (401, "Elevated permission is required")


# ---- Partners


async def test_partners_come_and_go_and_are_shown_or_not(mini: Mini) -> None:
    user, other = await mini.user(), await mini.user("mei", admin=False)
    sharing = {"sharedWithId": str(user.id)}
    made = await mini.ask("/partners", "POST", user=other, json=sharing)
    assert (made.status, made.json["email"], made.json["inTimeline"]) == (201, user.email, False)
    again = await mini.ask("/partners", "POST", user=other, json=sharing)
    assert again.json["message"] == "Partner already exists"
    shown = await mini.ask(f"/partners/{other.id}", "PUT", user=user, json={"inTimeline": True})
    assert (shown.status, shown.json["inTimeline"]) == (200, True)
    mine = await mini.ask("/partners?direction=shared-with", user=user)
    assert [partner["email"] for partner in mine.json] == [other.email]
    theirs = await mini.ask("/partners?direction=shared-by", user=other)
    assert [partner["email"] for partner in theirs.json] == [user.email]
    assert (await mini.ask("/partners", user=user)).status == 400
    assert (await mini.ask(f"/partners/{user.id}", "DELETE", user=other)).status == 204
    assert (await mini.ask("/partners?direction=shared-with", user=user)).json == []
    gone = await mini.ask(f"/partners/{user.id}", "DELETE", user=other)
    assert gone.json["message"] == "Partner not found"


# ---- Shared links


async def shared(mini: Mini, slug: str = "tokyo", **columns: object) -> dict[str, str]:
    """Headers of whoever has the link to an album with the asset "shown"."""
    user = await mini.user()
    await mini.asset(user, "shown")
    await mini.asset(user, "kept")
    album = await mini.album(user, "album", "shown")
    key = b"k" * 50
    more = "".join(f', "{column}"' for column in columns)
    values = "".join(f", %({column})s" for column in columns)
    await mini.run(
        f'INSERT INTO shared_link ("userId", key, type, "albumId", slug{more}) '  # noqa: S608
        f"VALUES (%(user)s, %(key)s, 'ALBUM', %(album)s, %(slug)s{values})",
        user=user.id, key=key, album=album, slug=slug, **columns,
    )  # fmt: skip
    return {"x-immich-share-key": base64.urlsafe_b64encode(key).decode().rstrip("=")}


async def test_a_shared_link_opens_its_album_and_nothing_else(mini: Mini) -> None:
    by_key = await shared(mini)
    for link in (
        by_key,
        {"x-immich-share-key": (b"k" * 50).hex()},
        {"x-immich-share-slug": "tokyo"},
    ):
        shown = await mini.ask(f"/assets/{mini.names['shown']}", headers=link)
        assert shown.status == 200
        assert "owner" not in shown.json
        kept = await mini.ask(f"/assets/{mini.names['kept']}", headers=link)
        assert kept.json["message"] == "Not found or no asset.read access"
        for method, path in (("POST", "/search/smart"), ("GET", WHO), ("GET", "/auth/status")):
            reply = await mini.ask(path, method, headers=link, json={"query": "x"})
            assert (reply.status, reply.json["message"]) == (403, "Forbidden")


async def test_from_3_x_on_a_shared_link_may_search_its_album(mini: Mini) -> None:
    link = await shared(mini)
    everything = await mini.ask("/search/metadata", "POST", headers=link, json={})
    body = {"albumIds": [str(mini.names["album"])]}
    album = await mini.ask("/search/metadata", "POST", headers=link, json=body)
    if mini.old:
        assert everything.status == album.status == 403
    else:
        assert everything.json["message"].startswith("Shared link access is only allowed in comb")
        assert [item["originalFileName"] for item in album.json["assets"]["items"]] == ["shown"]


async def test_a_link_that_hides_metadata_hides_it(mini: Mini) -> None:
    link = await shared(mini, showExif=False)
    asset = (await mini.ask(f"/assets/{mini.names['shown']}", headers=link)).json
    assert asset["hasMetadata"] is False
    assert "originalFileName" not in asset


async def test_an_expired_link_opens_nothing(newest: Mini) -> None:
    link = await shared(newest, expiresAt="2020-01-01T00:00:00Z")
    assert (await newest.ask(f"/assets/{newest.names['shown']}", headers=link)).status == 401


# ---- Whose assets one may open


async def test_an_asset_is_opened_by_its_owner_their_partners_and_albums(mini: Mini) -> None:
    owner, partner, guest, stranger = [
        await mini.user(name, admin=False) for name in ("owner", "partner", "guest", "stranger")
    ]
    await mini.partner(owner, partner, in_timeline=False)
    await mini.asset(owner, "plain")
    await mini.asset(owner, "archived", visibility=Visibility.ARCHIVE)
    await mini.asset(owner, "locked", visibility=Visibility.LOCKED)
    await mini.asset(owner, "in album", visibility=Visibility.ARCHIVE)
    await mini.album(owner, "album", "in album", shared=guest)
    may_open = {
        owner.email: {"plain", "archived", "in album"},
        partner.email: {"plain"},
        guest.email: {"in album"},
        stranger.email: set(),
    }
    for user in (owner, partner, guest, stranger):
        opened = set()
        for name in ("plain", "archived", "locked", "in album"):
            reply = await mini.ask(f"/assets/{mini.names[name]}", user=user)
            assert reply.status in (200, 400)
            opened |= {name} if reply.status == 200 else set()
        assert opened == may_open[user.email], user.email
    await mini.unlock(owner)
    locked = f"/assets/{mini.names['locked']}"
    assert (await mini.ask(locked, headers=owner.by_session)).status == 200


async def test_people_are_told_to_the_owner_alone(mini: Mini) -> None:
    owner, partner = await mini.user(), await mini.user("mei", admin=False)
    await mini.partner(owner, partner, in_timeline=True)
    await mini.asset(owner, "a")
    await mini.person(owner, "Li", "a")
    path = f"/assets/{mini.names['a']}"
    assert [one["name"] for one in (await mini.ask(path, user=owner)).json["people"]] == ["Li"]
    assert (await mini.ask(path, user=partner)).json["people"] == []

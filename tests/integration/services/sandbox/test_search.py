"""Immich's searches: every filter to the letter, who sees what, orders, pages, failures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from immich_aio.domain.immich import Shape, Visibility
from tests.integration.services.sandbox.mini import MOMENT, Mini, User
from tests.integration.services.sandbox.ml_server import MlServer, vector_of

DAY = timedelta(days=1)


async def filled(mini: Mini) -> User:
    """A library in which every filter divides the assets; newest first: a, b, c, d, e, f."""
    user = await mini.user()
    exif = {"city": "Hangzhou", "country": "China", "make": "Apple", "rating": 4}
    await mini.asset(user, "a", taken=MOMENT + 5 * DAY, exif=exif, isFavorite=True)
    exif = {"city": "Taipei", "state": "Taiwan", "model": "X100V", "lensModel": "23mm"}
    described = {"description": "Äpfel am See"}
    await mini.asset(user, "b", taken=MOMENT + 4 * DAY, exif=exif | described)
    await mini.asset(user, "c", taken=MOMENT + 3 * DAY, type="VIDEO")
    await mini.asset(user, "d", taken=MOMENT + 2 * DAY, text="发票 Invoice 40")
    await mini.asset(user, "e", taken=MOMENT + DAY, livePhotoVideoId=mini.names["c"])
    await mini.asset(user, "f", taken=MOMENT)
    await mini.album(user, "trip", "a", "b")
    await mini.album(user, "best", "b", "c")
    await mini.tag(user, "travel")
    await mini.tag(user, "travel/asia", "a", parent="travel")
    await mini.tag(user, "work", "a", "d")
    await mini.person(user, "Li", "a", "b")
    await mini.person(user, "Mei", "b", "e")
    await mini.run(
        'INSERT INTO stack ("primaryAssetId", "ownerId") VALUES (%(id)s, %(owner)s)',
        id=mini.names["e"],
        owner=user.id,
    )
    await mini.run('UPDATE asset SET "stackId" = (SELECT id FROM stack) WHERE id = any(%(ids)s)',
                   ids=[mini.names["e"], mini.names["f"]])  # fmt: skip
    return user


def named(mini: Mini, body: dict[str, Any]) -> dict[str, Any]:
    """The body with the ids of what its lists name."""

    def one(value: Any) -> Any:  # noqa: ANN401
        return str(mini.names[value]) if value in mini.names else value

    return {
        key: [one(each) for each in value] if key.endswith("Ids") and value else value
        for key, value in body.items()
    }


FILTERS: list[tuple[dict[str, Any], str]] = [
    ({}, "abcdef"),
    ({"type": "VIDEO"}, "c"),
    ({"isFavorite": True}, "a"),
    ({"isFavorite": False}, "bcdef"),
    ({"isMotion": True}, "e"),
    ({"isMotion": False}, "abcdf"),
    ({"isOffline": False}, "abcdef"),
    ({"isNotInAlbum": True}, "def"),
    ({"isNotInAlbum": False}, "abcdef"),
    ({"city": "Hangzhou"}, "a"),
    ({"city": None}, "cdef"),
    ({"state": "Taiwan"}, "b"),
    ({"state": None}, "acdef"),
    ({"country": "China"}, "a"),
    ({"country": None}, "bcdef"),
    ({"make": "Apple"}, "a"),
    ({"make": None}, "bcdef"),
    ({"model": "X100V"}, "b"),
    ({"model": None}, "acdef"),
    ({"lensModel": "23mm"}, "b"),
    ({"lensModel": None}, "acdef"),
    ({"rating": 4}, "a"),
    ({"rating": 5}, ""),
    ({"takenAfter": "2026-05-04T12:00:00.000Z"}, "abc"),
    ({"takenBefore": "2026-05-04T14:00:00.000+02:00"}, "cdef"),
    ({"takenAfter": "2026-05-04T12:00Z", "takenBefore": "2026-05-05T12:00Z"}, "bc"),
    ({"createdAfter": "2020-01-01T00:00:00Z"}, "abcdef"),
    ({"createdBefore": "2020-01-01T00:00:00Z"}, ""),
    ({"updatedAfter": "2020-01-01T00:00:00Z"}, "abcdef"),
    ({"updatedBefore": "2020-01-01T00:00:00Z"}, ""),
    ({"trashedAfter": "2020-01-01T00:00:00Z"}, ""),
    ({"personIds": ["Li"]}, "ab"),
    ({"personIds": ["Li", "Mei"]}, "b"),
    ({"personIds": ["Li", "Li"]}, ""),  # Immich counts the list, not the people
    ({"personIds": []}, "abcdef"),
    ({"tagIds": ["work"]}, "ad"),
    ({"tagIds": ["travel"]}, "a"),  # by what stands below it
    ({"tagIds": ["travel", "work"]}, "a"),
    ({"tagIds": []}, "abcdef"),
    ({"tagIds": None}, "bcef"),
    ({"albumIds": ["trip"]}, "ab"),
    ({"albumIds": ["trip", "best"]}, "b"),
    ({"albumIds": ["trip"], "isNotInAlbum": True}, "ab"),
    ({"albumIds": []}, "abcdef"),
    ({"visibility": "timeline"}, "abcdef"),
    ({"visibility": "archive"}, ""),
    ({"ocr": "发票"}, "d"),
    ({"ocr": "Invoic"}, "d"),
    ({"ocr": "天空"}, ""),
    ({"ocr": ""}, "abcdef"),
    ({"libraryId": None}, "abcdef"),
    ({"libraryId": str(uuid4())}, ""),
    ({"make": "Apple", "isFavorite": True, "personIds": ["Li"], "tagIds": ["work"]}, "a"),
    ({"nobodyKnowsThis": 1}, "abcdef"),
]
BY_DATE: list[tuple[dict[str, Any], str]] = [
    ({"order": "asc"}, "fedcba"),
    ({"description": "APFEL"}, "b"),
    ({"description": "  apfel "}, "b"),
    ({"originalFileName": "A"}, "a"),
    ({"originalPath": "nowhere/f"}, "f"),
    ({"previewPath": "anything"}, "abcdef"),
    ({"encodedVideoPath": "/encoded/nowhere.mp4"}, ""),
    ({"checksum": "hvfkN/qlp/zhXR3cuerq6jd2Z7g="}, "a"),
    ({"checksum": "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"}, "a"),
    ({"checksum": "no checksum"}, ""),
]


async def test_every_filter_finds_what_immich_finds_in_both_searches(mini: Mini) -> None:
    user = await filled(mini)
    for name in "abcdef":
        vector = vector_of(name)
        await mini.data.run("save_embedding", id=mini.names[name], embedding=vector)
    for body, wanted in FILTERS:
        asked = named(mini, body)
        assert "".join(await mini.names_of(user, "metadata", **asked)) == wanted, body
        found = await mini.names_of(user, "smart", query="anything", **asked)
        assert "".join(sorted(found)) == "".join(sorted(wanted)), body


async def test_the_filters_of_the_search_by_date(mini: Mini) -> None:
    user = await filled(mini)
    for body, wanted in BY_DATE:
        assert "".join(await mini.names_of(user, "metadata", **body)) == wanted, body
    by_id = await mini.names_of(user, "metadata", id=str(mini.names["d"]))
    assert by_id == ["d"]


async def test_what_only_one_release_knows(mini: Mini) -> None:
    user = await filled(mini)
    unrated = await mini.search(user, "metadata", rating=None)
    stacked = await mini.names_of(user, "metadata", withStacked=False)
    assert unrated.status == (400 if mini.old else 200)
    assert "".join(stacked) == ("abcdef" if mini.old else "abcd")
    assert "".join(await mini.names_of(user, "metadata", isEncoded=True)) == (
        "abcdef" if mini.old else ""  # 2.2 looks for null, and new assets have an empty text
    )
    if mini.old:
        assert await mini.names_of(user, "metadata", deviceAssetId="a") == ["a"]
        assert len(await mini.names_of(user, "metadata", deviceId="a phone")) == 6
        assert "".join(await mini.names_of(user, "metadata", city="")) == "cdef"
    else:
        assert await mini.names_of(user, "metadata", city="") == []


NATIVE = [("发票", True), ("白云", True), ("Invoic", True), ("票", False), ("云", False)]
NATIVE += [("ello", False), ("天空", False)]


@pytest.mark.parametrize(("query", "found"), NATIVE)
async def test_text_matches_as_it_was_seen_to_match_in_immich(
    newest: Mini, query: str, found: bool
) -> None:
    """Seen in a running 3.1.0, over these two lines."""
    user = await newest.user()
    await newest.asset(user, "a", text="发票 Invoice 40 蓝天 天白 白云 Hello World")
    assert await newest.names_of(user, "metadata", ocr=query) == (["a"] if found else [])


# ---- Deleted, hidden, archived, locked


async def test_deleted_assets_are_found_only_when_asked_for(mini: Mini) -> None:
    user = await mini.user()
    await mini.asset(user, "kept")
    deleted = {"deletedAt": datetime(2026, 6, 1, tzinfo=UTC), "status": "trashed"}
    await mini.asset(user, "gone", taken=MOMENT - DAY, **deleted)
    await mini.asset(user, "away", taken=MOMENT - 2 * DAY, isOffline=True)
    assert await mini.names_of(user, "metadata") == ["kept", "away"]
    assert await mini.names_of(user, "metadata", withDeleted=True) == ["kept", "gone", "away"]
    assert await mini.names_of(user, "metadata", trashedAfter="2026-05-31T00:00:00Z") == ["gone"]
    assert await mini.names_of(user, "metadata", trashedBefore="2026-05-31T00:00:00Z") == []
    assert await mini.names_of(user, "metadata", isOffline=True) == ["away"]


async def test_without_a_visibility_2_2_searches_the_timeline_and_3_1_all_but_the_locked(
    mini: Mini,
) -> None:
    user = await mini.user()
    for number, visibility in enumerate(Visibility):
        await mini.asset(user, visibility.value, taken=MOMENT - number * DAY, visibility=visibility)
    everything = ["timeline"] if mini.old else ["archive", "timeline", "hidden"]
    assert await mini.names_of(user, "metadata") == everything
    for visibility in ("archive", "timeline", "hidden"):
        assert await mini.names_of(user, "metadata", visibility=visibility) == [visibility]


async def test_locked_assets_are_seen_by_their_owner_with_the_pin_alone(mini: Mini) -> None:
    user, partner = await mini.user(), await mini.user("mei", admin=False)
    await mini.partner(partner, user, in_timeline=True)
    locked = {"visibility": Visibility.LOCKED, "vector": "x"}
    await mini.asset(user, "mine", **locked)
    await mini.asset(partner, "theirs", taken=MOMENT - DAY, **locked)
    for path, more in (("metadata", {}), ("smart", {"query": "x"})):
        refused = await mini.search(user, path, visibility="locked", **more)
        assert refused.status == 401
        assert refused.json["message"] == "Elevated permission is required"
    await mini.unlock(user)
    for path, more in (("metadata", {}), ("smart", {"query": "x"})):
        found = await mini.names_of(user, path, visibility="locked", **more)
        # Before 3.x a partner's locked assets were found too.
        assert set(found) == ({"mine", "theirs"} if mini.old else {"mine"})
    assert await mini.names_of(user, "metadata") == ([] if mini.old else ["mine", "theirs"])


# ---- Whose


async def test_partners_are_searched_when_they_are_in_the_timeline(mini: Mini) -> None:
    user = await mini.user()
    shown, quiet, stranger = [await mini.user(name) for name in ("shown", "quiet", "stranger")]
    await mini.partner(shown, user, in_timeline=True)
    await mini.partner(quiet, user, in_timeline=False)
    await mini.partner(user, stranger, in_timeline=True)
    for number, owner in enumerate((user, shown, quiet, stranger)):
        name = owner.email.partition("@")[0]
        await mini.asset(owner, name, taken=MOMENT - number * DAY, vector=name, isFavorite=True)
    assert await mini.names_of(user, "metadata") == ["admin", "shown"]
    assert set(await mini.names_of(user, "smart", query="x")) == {"admin", "shown"}
    found = (await mini.search(user, "metadata")).json["assets"]["items"]
    assert [item["isFavorite"] for item in found] == [True, False]  # a favourite of the owner's


async def test_an_albums_filter_opens_what_others_put_there_from_3_x_on(mini: Mini) -> None:
    user, other = await mini.user(), await mini.user("mei", admin=False)
    await mini.asset(other, "theirs")
    album = str(await mini.album(other, "shared", "theirs", shared=user))
    closed = str(await mini.album(other, "closed", "theirs"))
    assert await mini.names_of(user, "metadata", albumIds=[album]) == (
        [] if mini.old else ["theirs"]
    )
    reply = await mini.search(user, "metadata", albumIds=[closed])
    if mini.old:
        assert reply.json["assets"]["items"] == []
    else:
        assert (reply.status, reply.json) == (
            400,
            {"message": "Not found or no album.read access"},
        )
    assert await mini.names_of(user, "smart", query="x", albumIds=[album]) == []


# ---- Order, pages, what an item carries


async def test_pages_follow_each_other_without_a_gap(mini: Mini) -> None:
    user = await mini.user()
    for number in range(7):
        await mini.asset(user, f"{number}", taken=MOMENT - number * DAY, vector=f"{number}")
    for path, more in (("metadata", {}), ("smart", {"query": "x"})):
        pages, page = [], "1"
        while page is not None:
            reply = (await mini.search(user, path, page=int(page), size=3, **more)).json["assets"]
            assert reply["total"] == reply["count"] == len(reply["items"])
            pages.append([item["originalFileName"] for item in reply["items"]])
            page = reply["nextPage"]
        assert [len(items) for items in pages] == [3, 3, 1]
        assert len({name for items in pages for name in items}) == 7
    beyond = (await mini.search(user, "metadata", page=9)).json["assets"]
    assert (beyond["items"], beyond["nextPage"]) == ([], None)


async def test_smart_search_gives_the_nearest_first(mini: Mini, ml: MlServer) -> None:
    user = await mini.user()
    for name in ("cat", "dog", "invoice"):
        await mini.asset(user, name, vector=name)
    await mini.asset(user, "without a vector")
    for name in ("cat", "dog", "invoice"):
        found = await mini.names_of(user, "smart", query=name, language="zh-CN")
        assert found[0] == name
        assert len(found) == 3
    asked = ml.tasks("clip")[0]["textual"]
    assert asked == {"modelName": "ViT-B-32__openai", "options": {"language": "zh-CN"}}


async def test_an_asset_can_be_the_query(mini: Mini, ml: MlServer) -> None:
    user, stranger = await mini.user(), await mini.user("mei", admin=False)
    await mini.asset(user, "cat", vector="cat")
    await mini.asset(user, "plain")
    await mini.asset(stranger, "theirs", vector="theirs")
    found = await mini.names_of(user, "smart", queryAssetId=str(mini.names["cat"]))
    assert found == ["cat"]
    plain = str(mini.names["plain"])
    for asset, message in (
        (plain, f"Asset {plain} has no embedding"),
        (str(mini.names["theirs"]), "Not found or no asset.read access"),
    ):
        reply = await mini.search(user, "smart", queryAssetId=asset)
        assert (reply.status, reply.json["message"]) == (400, message)
    assert ml.tasks("clip") == []


async def test_a_texts_vector_is_asked_for_once(newest: Mini, ml: MlServer) -> None:
    user = await newest.user()
    for _ in range(3):
        await newest.search(user, "smart", query="cat")
    await newest.search(user, "smart", query="cat", language="de")
    assert len(ml.tasks("clip")) == 2


async def test_with_exif_leaves_out_assets_that_have_none(mini: Mini) -> None:
    user = await mini.user()
    await mini.asset(user, "a")
    await mini.asset(user, "b")
    await mini.run('DELETE FROM asset_exif WHERE "assetId" = %(id)s', id=mini.names["b"])
    assert len(await mini.names_of(user, "metadata")) == 2
    (item,) = (await mini.search(user, "metadata", withExif=True)).json["assets"]["items"]
    assert item["originalFileName"] == "a"
    assert item["exifInfo"]["fileSizeInByte"] == 1


async def test_people_are_told_when_asked_for(mini: Mini) -> None:
    user = await mini.user()
    await mini.asset(user, "a")
    await mini.person(user, "Li", "a")
    (with_people,) = (await mini.search(user, "metadata", withPeople=True)).json["assets"]["items"]
    (without,) = (await mini.search(user, "metadata")).json["assets"]["items"]
    assert [person["name"] for person in with_people["people"]] == ["Li"]
    assert without["people"] == []
    assert ("faces" in with_people["people"][0]) is mini.old


# ---- Failures


async def test_without_machine_learning_smart_search_fails_as_immich_does(
    mini: Mini, ml: MlServer
) -> None:
    user = await mini.user()
    await mini.asset(user, "a", vector="a")
    ml.failing = {"clip"}
    reply = await mini.search(user, "smart", query="anything")
    assert reply.status == 500
    assert reply.json["message"] == "Failed to search smart"
    ml.failing = set()
    assert await mini.names_of(user, "smart", query="anything") == ["a"]


async def test_a_vector_of_the_wrong_size_fails_and_stays_in_the_cache(
    mini: Mini, ml: MlServer
) -> None:
    user = await mini.user()
    await mini.asset(user, "a", vector="a")
    ml.vectors["cat"] = vector_of("cat", size=768)
    assert (await mini.search(user, "smart", query="cat")).status == 500
    del ml.vectors["cat"]
    assert (await mini.search(user, "smart", query="cat")).status == 500
    assert (await mini.search(user, "smart", query="dog")).status == 200


async def test_a_query_of_blanks_is_no_query(mini: Mini) -> None:
    user = await mini.user()
    for body in ({}, {"query": ""}, {"query": "  "}):
        reply = await mini.search(user, "smart", **body)
        assert reply.status == 400
        assert reply.json["message"] == "Either `query` or `queryAssetId` must be set"


async def test_the_shape_of_ids_is_that_of_the_database(newest: Mini) -> None:
    """What the validation of ids rests on: every id is of version 4, every updateId of 7."""
    user = await newest.user()
    await newest.asset(user, "a")
    (row,) = await newest.rows('SELECT id, "updateId" FROM asset')
    (made,) = await newest.rows("SELECT uuid_generate_v4() AS id")
    assert (row["updateId"].version, made["id"].version) == (7, 4)
    assert UUID(str(row["id"])).version == 4
    assert newest.shape is Shape.V3_1

"""Single assets: what is told of them, their files, uploads, jobs on request."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from PIL import Image

from immich_aio.upstream.bullmq import JobQueues
from tests.integration.services.live import Reply
from tests.integration.services.sandbox.mini import Mini, User, jpeg
from tests.integration.services.sandbox.ml_server import MlServer

DATES = {"fileCreatedAt": "2026-05-01T10:00:00.000Z", "fileModifiedAt": "2026-05-02T10:00:00.000Z"}
DEVICE = {"deviceAssetId": "IMG_1", "deviceId": "a phone"}


async def upload(
    mini: Mini,
    user: User,
    content: bytes,
    name: str = "new.jpg",
    **more: Any,  # noqa: ANN401
) -> Reply:
    """Upload a file as Immich's clients do."""
    headers = more.pop("headers", {})
    form = aiohttp.FormData(default_to_multipart=True, quote_fields=False)
    for key, value in {**DATES, **(DEVICE if mini.old else {}), **more}.items():
        form.add_field(key, str(value))
    form.add_field("assetData", io.BytesIO(content), filename=name)
    return await mini.ask("/assets", "POST", user=user, data=form, headers=headers)


# ---- What is told of an asset


async def test_an_asset_tells_its_tags_its_stack_and_its_album_mates_not(mini: Mini) -> None:
    user = await mini.user()
    await mini.asset(user, "a")
    await mini.asset(user, "b")
    await mini.tag(user, "travel", "a")
    await mini.tag(user, "travel/asia", "a", parent="travel")
    await mini.run('INSERT INTO stack ("primaryAssetId", "ownerId") VALUES (%(a)s, %(o)s)',
                   a=mini.names["a"], o=user.id)  # fmt: skip
    await mini.run('UPDATE asset SET "stackId" = (SELECT id FROM stack)')
    asset = (await mini.ask(f"/assets/{mini.names['a']}", user=user)).json
    assert {tag["value"]: tag["name"] for tag in asset["tags"]} == {
        "travel": "travel",
        "travel/asia": "asia",
    }
    assert asset["tags"][1]["parentId"] == str(mini.names["travel"])
    assert asset["stack"]["primaryAssetId"] == str(mini.names["a"])
    assert asset["stack"]["assetCount"] == 2


@pytest.mark.parametrize("part", ["", "/ocr", "/thumbnail", "/original"])
async def test_an_asset_that_is_not_there_is_refused_like_one_of_someone_else(
    newest: Mini, part: str
) -> None:
    user, other = await newest.user(), await newest.user("mei", admin=False)
    await newest.asset(other, "theirs")
    replies = [
        await newest.ask(f"/assets/{one}{part}", user=user)
        for one in (uuid4(), newest.names["theirs"])
    ]
    assert [reply.status for reply in replies] == [400, 400]
    assert replies[0].json == replies[1].json
    assert replies[0].json["message"].startswith("Not found or no asset.")


async def test_an_id_that_is_none_is_refused(newest: Mini) -> None:
    reply = await newest.ask("/assets/nonsense", user=await newest.user())
    assert reply.status == 400
    assert reply.json["errors"][0]["path"] == ["id"]


# ---- Files


async def test_the_original_comes_as_it_was_uploaded_also_in_parts(mini: Mini) -> None:
    user = await mini.user()
    content = jpeg((64, 48), (200, 10, 10))
    asset_id = (await upload(mini, user, content, "红色.jpg")).json["id"]
    path = f"/assets/{asset_id}/original"
    whole = await mini.ask(path, user=user)
    assert (whole.status, whole.body) == (200, content)
    assert whole.headers["Content-Type"] == "image/jpeg"
    assert whole.headers["Content-Disposition"] == (
        "inline; filename*=UTF-8''%E7%BA%A2%E8%89%B2.jpg"
    )
    part = await mini.ask(path, user=user, headers={"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, content[10:20])
    assert (await mini.ask(path, "HEAD", user=user)).headers["Content-Length"] == str(len(content))


async def test_thumbnail_and_preview_are_there_once_they_were_made(mini: Mini) -> None:
    user = await mini.user()
    asset_id = await mini.photo(user, "a.jpg", size=(4000, 3000))
    path = f"/assets/{asset_id}/thumbnail"
    early = await mini.ask(path, user=user)
    assert (early.status, early.json["message"]) == (404, "Asset media not found")
    await mini.work()
    for query, mime, size in (
        ("", "image/webp", (333, 250)),
        ("?size=thumbnail", "image/webp", (333, 250)),
        ("?size=preview", "image/jpeg", (1920, 1440)),
        ("?size=fullsize", "image/jpeg", (4000, 3000)),
        ("?size=original", "image/jpeg", (4000, 3000)),
    ):
        reply = await mini.ask(path + query, user=user)
        assert (reply.status, reply.headers["Content-Type"]) == (200, mime)
        assert Image.open(io.BytesIO(reply.body)).size == size
        assert "private" in reply.headers["Cache-Control"]
    assert (await mini.ask(path + "?size=huge", user=user)).status == 400


# ---- Upload


async def test_an_upload_is_told_from_a_duplicate(mini: Mini) -> None:
    user, other = await mini.user(), await mini.user("mei", admin=False)
    content = jpeg((20, 20), (1, 2, 3))
    first = await upload(mini, user, content)
    again = await upload(mini, user, content, "another-name.jpg")
    elsewhere = await upload(mini, other, content)
    assert (first.status, first.json["status"]) == (201, "created")
    assert (again.status, again.json) == (200, {"id": first.json["id"], "status": "duplicate"})
    assert (elsewhere.status, elsewhere.json["status"]) == (201, "created")
    files = [path for path in mini.library.root.rglob("*") if path.is_file()]
    assert len(files) == 2


async def test_an_announced_duplicate_is_answered_before_the_body(mini: Mini) -> None:
    user = await mini.user()
    content = jpeg((20, 20), (1, 2, 3))
    known = (await upload(mini, user, content)).json["id"]
    digest = hashlib.sha1(content, usedforsecurity=False)
    for checksum in (digest.hexdigest(), base64.b64encode(digest.digest()).decode()):
        reply = await mini.ask(
            "/assets", "POST", user=user, data=b"no form at all",
            headers={"x-immich-checksum": checksum},
        )  # fmt: skip
        assert (reply.status, reply.json) == (200, {"id": known, "status": "duplicate"})


async def test_an_upload_becomes_what_its_form_says(newest: Mini) -> None:
    user = await newest.user()
    told = {"isFavorite": "true", "visibility": "archive", "filename": "IMG_1.JPG"}
    made = await upload(newest, user, jpeg((20, 20), (1, 2, 3)), "blob", **told)
    asset = (await newest.ask(f"/assets/{made.json['id']}", user=user)).json
    assert (asset["originalFileName"], asset["isFavorite"]) == ("IMG_1.JPG", True)
    assert (asset["visibility"], asset["type"]) == ("archive", "IMAGE")
    assert asset["fileCreatedAt"] == DATES["fileCreatedAt"]
    video = await upload(newest, user, b"no video, but named so", "a.mp4", duration=1500)
    asset = (await newest.ask(f"/assets/{video.json['id']}", user=user)).json
    assert (asset["type"], asset["duration"]) == ("VIDEO", 1500)


async def test_what_is_no_upload_is_refused(newest: Mini) -> None:
    user = await newest.user()
    wrong_type = await upload(newest, user, b"MZ", "virus.exe")
    assert (wrong_type.status, wrong_type.json) == (
        400,
        {"message": "Unsupported file type virus.exe"},
    )
    no_date = await upload(newest, user, b"x", fileCreatedAt="yesterday")
    assert no_date.json["errors"][0]["path"] == ["fileCreatedAt"]
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("fileCreatedAt", "x")
    no_file = await newest.ask("/assets", "POST", user=user, data=form)
    assert no_file.json == {"message": "Field(s) assetData should not be empty"}
    assert (await newest.ask("/assets", "POST", user=user, data=b"no form")).status == 400
    assert not [path for path in newest.library.root.rglob("*") if path.is_file()]


async def test_an_uploaded_photo_is_read(mini: Mini, ml: MlServer) -> None:
    user = await mini.user()
    ml.lines = ["合计 42"]
    asset_id = (await upload(mini, user, jpeg((64, 48), (9, 9, 9)))).json["id"]
    await mini.work()
    (line,) = (await mini.ask(f"/assets/{asset_id}/ocr", user=user)).json
    assert line["text"] == "合计 42"


# ---- Jobs on request


async def counts(queues: JobQueues) -> dict[str, int]:
    names = ("faceDetection", "metadataExtraction", "thumbnailGeneration", "videoConversion")
    return {name: (await queues.counts(name)).waiting for name in names}


async def test_immichs_four_jobs_are_queued_for_ones_own_assets(mini: Mini) -> None:
    user, other = await mini.user(), await mini.user("mei", admin=False)
    await mini.partner(other, user, in_timeline=True)
    for name in ("a", "b"):
        await mini.asset(user, name)
    await mini.asset(other, "theirs")
    mine = [str(mini.names["a"]), str(mini.names["b"])]
    for name in ("refresh-faces", "refresh-metadata", "regenerate-thumbnail", "transcode-video"):
        body = {"assetIds": mine, "name": name}
        assert (await mini.ask("/assets/jobs", "POST", user=user, json=body)).status == 204
    assert set((await counts(mini.queues)).values()) == {2}
    theirs = {"assetIds": [*mine, str(mini.names["theirs"])], "name": "refresh-faces"}
    refused = await mini.ask("/assets/jobs", "POST", user=user, json=theirs)
    assert (refused.status, refused.json["message"]) == (
        400,
        "Not found or no asset.update access",
    )
    assert set((await counts(mini.queues)).values()) == {2}


@pytest.mark.parametrize("name", ["refresh-ocr", "refresh-smart-search", "nonsense"])
async def test_immich_has_no_other_jobs_for_single_assets(newest: Mini, name: str) -> None:
    user = await newest.user()
    await newest.asset(user, "a")
    body = {"assetIds": [str(newest.names["a"])], "name": name}
    reply = await newest.ask("/assets/jobs", "POST", user=user, json=body)
    assert reply.status == 400
    assert reply.json["errors"][0]["code"] == "invalid_value"


async def test_paths_are_taken_in_any_case_and_with_a_slash_at_the_end(newest: Mini) -> None:
    user = await newest.user()
    asset_id: UUID = await newest.asset(user, "a")
    for path in (f"/Assets/{asset_id}/", f"/ASSETS/{str(asset_id).upper()}/OCR/"):
        assert (await newest.ask(path, user=user)).status == 200
    reply = await newest.ask("/Search/MetaData/", "POST", user=user, json={})
    assert len(reply.json["assets"]["items"]) == 1
    wrong = await newest.ask("/search/metadata", "GET", user=user)
    assert (wrong.status, wrong.json["message"]) == (404, "Cannot GET /api/search/metadata")


async def test_broken_json_is_refused_by_everything_that_takes_json(newest: Mini) -> None:
    user = await newest.user()
    for path in ("/search/smart", "/search/metadata", "/assets/jobs", "/auth/login"):
        for body in (b"{", b'"text"', b"[1]", b"", b'{"size": NaN}', b"\xff"):
            reply = await newest.ask(path, "POST", user=user, data=body)
            assert reply.status == 400, (path, body)
            assert reply.json["message"]


async def test_a_caller_who_hangs_up_does_not_disturb_the_others(
    newest: Mini, ml: MlServer
) -> None:
    user = await newest.user()
    await newest.asset(user, "a", vector="a")
    ml.held.clear()
    waiting = asyncio.create_task(newest.search(user, "smart", query="slow"))
    await ml.waiting.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    ml.held.set()
    assert await newest.names_of(user, "smart", query="quick") == ["a"]

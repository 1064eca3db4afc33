"""What Immich does with new photos, through real queues: what is asked, kept, lost, done again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

from immich_aio.domain.immich import Visibility
from immich_aio.services.sandbox.queues import CONCURRENCY
from tests.integration.services.sandbox.mini import Mini, User
from tests.integration.services.sandbox.ml_server import LINES, MlServer, vector_of


async def state(mini: Mini, asset_id: UUID) -> dict[str, Any]:
    """What the tables hold of an asset."""
    lines = await mini.rows('SELECT text FROM asset_ocr WHERE "assetId" = %(id)s', id=asset_id)
    search = await mini.rows('SELECT text FROM ocr_search WHERE "assetId" = %(id)s', id=asset_id)
    vectors = await mini.rows('SELECT FROM smart_search WHERE "assetId" = %(id)s', id=asset_id)
    faces = await mini.rows('SELECT * FROM asset_face WHERE "assetId" = %(id)s', id=asset_id)
    status = await mini.rows('SELECT * FROM asset_job_status WHERE "assetId" = %(id)s', id=asset_id)
    return {
        "lines": [line["text"] for line in lines],
        "search": [row["text"] for row in search],
        "vectors": len(vectors),
        "faces": faces,
        "ocr_at": status and status[0]["ocrAt"],
        "faces_at": status and status[0]["facesRecognizedAt"],
    }


async def command(mini: Mini, user: User, queue: str, **body: object) -> int:
    reply = await mini.ask(f"/jobs/{queue}", "PUT", user=user, json={"command": "start", **body})
    return reply.status


async def test_a_new_photo_is_asked_about_as_immich_asks(newest: Mini, ml: MlServer) -> None:
    await newest.photo(await newest.user())
    await newest.work()
    asked = {next(iter(entries)): entries for entries, _ in ml.asked}
    assert asked["ocr"] == {
        "ocr": {
            "detection": {
                "modelName": "PP-OCRv5_mobile",
                "options": {"minScore": 0.5, "maxResolution": 736},
            },
            "recognition": {"modelName": "PP-OCRv5_mobile", "options": {"minScore": 0.8}},
        }
    }
    assert asked["clip"] == {"clip": {"visual": {"modelName": "ViT-B-32__openai"}}}
    assert asked["facial-recognition"] == {
        "facial-recognition": {
            "detection": {"modelName": "buffalo_l", "options": {"minScore": 0.7}},
            "recognition": {"modelName": "buffalo_l"},
        }
    }
    assert {filename for _, filename in ml.asked} == {"blob"}


async def test_the_answers_are_kept_where_immich_keeps_them(mini: Mini, ml: MlServer) -> None:
    ml.faces = [(10, 20, 30, 40)]
    photo = await mini.photo(await mini.user())
    await mini.work()
    kept = await state(mini, photo)
    assert kept["lines"] == LINES
    pairs = "发票 Invoice 40 蓝天 天白 白云 Hello World"
    assert kept["search"] == ["发票 Invoice 40 蓝天白云 Hello World" if mini.old else pairs]
    assert (kept["vectors"], len(kept["faces"])) == (1, 1)
    assert kept["faces"][0]["boundingBoxX2"] == 30
    assert kept["ocr_at"] is not None
    assert kept["faces_at"] is not None
    (place,) = await mini.rows("SELECT x1, y1, x3, y3 FROM asset_ocr LIMIT 1")
    assert [round(value, 6) for value in place.values()] == [0.1, 0.1, 0.6, 0.2]


async def test_a_photo_without_text_is_marked_as_read_and_loses_its_old_text(
    mini: Mini, ml: MlServer
) -> None:
    photo = await mini.photo(await mini.user())
    await mini.work()
    ml.lines = []
    await mini.queues.add("ocr", "Ocr", [str(photo)])
    await mini.work()
    kept = await state(mini, photo)
    assert (kept["lines"], kept["search"]) == ([], [])
    assert kept["ocr_at"] is not None


async def test_a_failed_job_is_lost_and_found_again_among_the_missing(
    mini: Mini, ml: MlServer
) -> None:
    user = await mini.user()
    photo = await mini.photo(user)
    ml.failing = {"ocr", "clip"}
    await mini.work()
    kept = await state(mini, photo)
    assert (kept["lines"], kept["vectors"], kept["ocr_at"]) == ([], 0, None)
    for queue in CONCURRENCY:
        counts = await mini.queues.counts(queue)
        assert (counts.failed, counts.unfinished) == (0, 0)
    assert mini.worker.lost == {"Ocr": 1, "SmartSearch": 1}
    ml.failing = set()
    assert await command(mini, user, "ocr", force=False) == 200
    assert await command(mini, user, "smartSearch") == 200
    await mini.work()
    kept = await state(mini, photo)
    assert (kept["lines"], kept["vectors"]) == (LINES, 1)


async def test_missing_reads_only_what_is_missing_and_force_reads_all_again(
    mini: Mini, ml: MlServer
) -> None:
    user = await mini.user()
    photos = [await mini.photo(user, name) for name in ("a.jpg", "b.jpg")]
    await mini.work()
    ml.asked.clear()
    await command(mini, user, "ocr", force=False)
    await mini.work()
    assert ml.asked == []
    ml.failing = {"ocr", "clip"}
    await command(mini, user, "ocr", force=True)
    await command(mini, user, "smartSearch", force=True)
    await mini.work()
    assert (len(ml.tasks("ocr")), len(ml.tasks("clip"))) == (2, 2)
    for photo in photos:  # Immich empties the tables first
        assert (await state(mini, photo))["lines"] == []
        assert (await state(mini, photo))["vectors"] == 0


async def test_hidden_assets_are_skipped_and_edited_ones_by_smart_search(
    newest: Mini, ml: MlServer
) -> None:
    user = await newest.user()
    hidden = await newest.photo(user, "hidden.jpg")
    await newest.run(
        "UPDATE asset SET visibility = %(to)s::asset_visibility_enum", to=Visibility.HIDDEN.value
    )
    await newest.work()
    assert ml.asked == []
    assert (await state(newest, hidden))["ocr_at"] is None
    edited = await newest.photo(user, "edited.jpg")
    await newest.work()
    ml.asked.clear()
    await newest.run(
        'INSERT INTO asset_file ("assetId", type, path, "isEdited") '
        "VALUES (%(id)s, 'preview', '/nowhere', true)",
        id=edited,
    )
    for queue, job in (("ocr", "Ocr"), ("smartSearch", "SmartSearch")):
        await newest.queues.add(queue, job, [str(edited)])
    await newest.work()
    assert (len(ml.tasks("ocr")), len(ml.tasks("clip"))) == (1, 0)


async def test_a_face_that_is_found_again_stays_who_it_is(newest: Mini, ml: MlServer) -> None:
    user = await newest.user()
    ml.faces = [(10, 10, 60, 60), (100, 10, 150, 60)]
    photo = await newest.photo(user)
    await newest.work()
    before = {face["id"]: face["boundingBoxX1"] for face in (await state(newest, photo))["faces"]}
    ml.faces = [(12, 12, 62, 62), (10, 70, 40, 95)]
    await newest.queues.add("faceDetection", "AssetDetectFaces", [str(photo)])
    await newest.work()
    after = {face["id"]: face["boundingBoxX1"] for face in (await state(newest, photo))["faces"]}
    assert sorted(after.values()) == [10, 10]
    stayed = before.keys() & after.keys()
    assert [before[face] for face in stayed] == [10]


async def test_a_vector_of_the_wrong_size_is_never_kept(newest: Mini, ml: MlServer) -> None:
    ml.image_vector = vector_of("x", size=768)
    photo = await newest.photo(await newest.user())
    await newest.work()
    assert (await state(newest, photo))["vectors"] == 0
    assert newest.worker.lost == {"SmartSearch": 1}


async def test_jobs_that_nobody_knows_are_skipped(newest: Mini) -> None:
    await newest.queues.add("ocr", "refresh-everything", ["x"])
    await newest.work()
    counts = await newest.queues.counts("ocr")
    assert (counts.failed, counts.unfinished) == (0, 0)


async def test_a_file_that_is_no_picture_is_lost_alone(newest: Mini) -> None:
    user = await newest.user()
    broken, sound = await newest.photo(user, "broken.jpg"), await newest.photo(user, "sound.jpg")
    (row,) = await newest.rows('SELECT "originalPath" FROM asset WHERE id = %(id)s', id=broken)
    await asyncio.to_thread(Path(row["originalPath"]).write_bytes, b"no picture")
    await newest.work()
    assert (await state(newest, broken))["lines"] == []
    assert (await state(newest, sound))["lines"] == LINES
    assert newest.worker.lost["AssetGenerateThumbnails"] == 1


# ---- The administration page


async def test_the_state_of_every_queue_is_told(mini: Mini) -> None:
    user = await mini.user()
    await mini.queues.add("ocr", "Ocr", ["x", "y"])
    reply = (await mini.ask("/jobs", user=user)).json
    assert len(reply) == (16 if mini.old else 19)
    counts = {"active": 0, "completed": 0, "failed": 0, "delayed": 0, "waiting": 2, "paused": 0}
    assert reply["ocr"] == {
        "queueStatus": {"isPaused": False, "isActive": False},
        "jobCounts": counts,
    }


async def test_a_queue_is_paused_resumed_and_emptied(newest: Mini) -> None:
    user = await newest.user()

    async def put(command: str) -> dict[str, Any]:
        reply = await newest.ask("/jobs/ocr", "PUT", user=user, json={"command": command})
        assert reply.status == 200
        found = reply.json
        assert isinstance(found, dict)
        return found

    assert (await put("pause"))["queueStatus"]["isPaused"] is True
    await newest.queues.add("ocr", "Ocr", ["x"])
    assert (await put("resume"))["queueStatus"]["isPaused"] is False
    assert (await put("empty"))["jobCounts"]["waiting"] == 0
    assert (await put("clear-failed"))["jobCounts"]["failed"] == 0


async def test_commands_that_do_not_exist_are_refused(newest: Mini) -> None:
    user = await newest.user()
    unknown = await newest.ask("/jobs/nonsense", "PUT", user=user, json={"command": "start"})
    assert unknown.json["errors"][0]["path"] == ["name"]
    wrong = await newest.ask("/jobs/ocr", "PUT", user=user, json={"command": "explode"})
    assert wrong.json["errors"][0]["path"] == ["command"]
    unable = await newest.ask("/jobs/library", "PUT", user=user, json={"command": "start"})
    assert (unable.status, unable.json["message"]) == (400, "Invalid job name: library")


async def test_a_queue_that_runs_cannot_be_started_again(newest: Mini, ml: MlServer) -> None:
    user = await newest.user()
    await newest.photo(user)
    ml.held.clear()
    working = asyncio.create_task(newest.work())
    await ml.waiting.wait()
    name = {"ocr": "ocr", "clip": "smartSearch", "facial-recognition": "faceDetection"}
    queue = name[next(iter(ml.asked[0][0]))]
    reply = await newest.ask(f"/jobs/{queue}", "PUT", user=user, json={"command": "start"})
    ml.held.set()
    await working
    assert (reply.status, reply.json["message"]) == (400, "Job is already running")

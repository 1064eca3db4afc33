"""How a library is filled: with the samples, with the user's own photos, with made-up assets."""

from __future__ import annotations

import io
import json
from importlib import resources
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from PIL import Image

from immich_aio.errors import BadInputError
from immich_aio.services.sandbox.embedded.data_folder import Credentials
from immich_aio.services.sandbox.own_photos import import_photos, photos_in
from immich_aio.services.sandbox.sample_library import SAMPLES, Filler
from immich_aio.services.sandbox.synthetic import fill_synthetic, vocabulary
from tests.integration.services.sandbox.mini import Mini, User, jpeg

CREDENTIALS = Credentials("database", "login", "key")
PLAN = json.loads((SAMPLES / "library.json").read_text("utf-8"))


def filler(mini: Mini) -> Filler:
    return Filler(mini.data, mini.library, CREDENTIALS)


def admin(mini: Mini, user_id: UUID) -> User:
    del mini
    return User(user_id, "admin@example.com", CREDENTIALS.api_key, "no session")


# ---- The samples


def test_the_samples_are_small_and_complete() -> None:
    names = {path.name for path in SAMPLES.iterdir()} - {"library.json"}
    assert names == {photo["file"] for photo in PLAN["photos"] + PLAN["videos"]}
    assert len(PLAN["photos"]) == 60
    with resources.as_file(SAMPLES) as folder:
        assert sum(path.stat().st_size for path in Path(folder).iterdir()) <= 3_000_000


async def test_the_samples_have_everything_that_a_search_can_tell_apart(mini: Mini) -> None:
    await filler(mini).fill(with_photos=True)
    assert len(await filler(mini).unread()) == 62
    counts = (
        await mini.rows(
            """
            SELECT (SELECT count(*) FROM "user") AS users,
              (SELECT count(*) FROM partner WHERE "inTimeline") AS partners,
              (SELECT count(*) FROM album) AS albums,
              (SELECT count(*) FROM tag_closure WHERE id_ancestor <> id_descendant) AS nested,
              (SELECT count(*) FROM person) AS people,
              (SELECT count(*) FROM asset WHERE "stackId" IS NOT NULL) AS stacked,
              (SELECT count(*) FROM asset WHERE visibility = 'locked') AS locked,
              (SELECT count(*) FROM asset WHERE visibility = 'archive') AS archived,
              (SELECT count(*) FROM asset WHERE visibility = 'hidden') AS hidden,
              (SELECT count(*) FROM asset WHERE "deletedAt" IS NOT NULL) AS trashed,
              (SELECT count(*) FROM asset WHERE type = 'VIDEO') AS videos,
              (SELECT count(*) FROM asset WHERE "livePhotoVideoId" IS NOT NULL) AS live,
              (SELECT count(*) FROM shared_link) AS links
            """
        )
    )[0]
    assert counts["users"] == 2
    assert all(count > 0 for count in counts.values()), counts


async def test_filling_twice_adds_nothing_and_half_a_filling_is_done_again(mini: Mini) -> None:
    await filler(mini).fill(with_photos=True)
    first = await mini.rows("SELECT id FROM asset ORDER BY id")
    await filler(mini).fill(with_photos=True)
    assert await mini.rows("SELECT id FROM asset ORDER BY id") == first
    await mini.run("DELETE FROM system_metadata")  # as if it had been cut off at the end
    await filler(mini).fill(with_photos=True)
    again = await mini.rows("SELECT id FROM asset ORDER BY id")
    assert len(again) == len(first)
    assert again != first


async def test_every_sample_gets_its_preview_and_the_key_opens_them(mini: Mini) -> None:
    await filler(mini).fill(with_photos=True)
    await mini.library.queue(await filler(mini).unread())
    await mini.work()
    (row,) = await mini.rows("SELECT count(*) AS n FROM asset_file WHERE type = 'preview'")
    assert row["n"] == 62
    user = admin(mini, await filler(mini).admin())
    found = await mini.ask("/search/metadata", "POST", user=user, json={"city": "Taipei"})
    assert found.json["assets"]["count"] > 5
    (item,) = (
        await mini.ask(
            "/search/metadata",
            "POST",
            user=user,
            json={"originalFileName": "invoice-hangzhou", "withExif": True},
        )
    ).json["assets"]["items"]
    assert item["exifInfo"]["model"] == "iPhone 15"
    assert item["fileCreatedAt"] == "2026-04-18T12:31:05.000Z"


# ---- The user's own photos


def photo_folder(folder: Path) -> Path:
    """Photos at any depth, one broken, one twice, and what is no photo."""
    inner = folder / "2024" / "[bold] 夏天"
    inner.mkdir(parents=True)
    (folder / "a.JPG").write_bytes(jpeg((60, 40), (1, 2, 3)))
    (inner / "b.png").write_bytes(png((60, 40)))
    (inner / "copy.jpg").write_bytes(jpeg((60, 40), (1, 2, 3)))
    (inner / "broken.jpg").write_bytes(b"no picture at all")
    (inner / "film.mp4").write_bytes(b"no motion jpeg")
    (folder / "notes.txt").write_text("no photo")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    return folder


def png(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", size, (9, 9, 9, 128)).save(buffer, "PNG")
    return buffer.getvalue()


async def test_own_photos_are_taken_from_any_depth_and_the_broken_are_named(
    mini: Mini, tmp_path: Path
) -> None:
    folder = photo_folder(tmp_path / "photos")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    user = await mini.user()
    files = photos_in(folder)
    steps: list[None] = []
    passed = await import_photos(mini.library, user.id, files, {}, lambda: steps.append(None))
    assert len(steps) == len(files) == 5
    reasons = {path.name: reason for path, reason in passed.items()}
    unread = await filler(mini).unread()
    assert len(unread) == 2
    assert "cannot be read" in reasons["broken.jpg"]
    assert "Motion JPEG" in reasons["film.mp4"]
    assert reasons.keys() - {"broken.jpg", "film.mp4"} <= {"copy.jpg", "a.JPG"}
    await mini.library.queue(unread)
    await mini.work()
    names = await mini.rows(
        'SELECT "originalFileName" AS name FROM asset_ocr JOIN asset ON asset.id = "assetId"'
    )
    assert {row["name"] for row in names} & {"a.JPG", "copy.jpg"}
    assert {path: path.read_bytes() for path in before} == before
    assert {path for path in folder.rglob("*") if path.is_file()} == before.keys()


async def test_the_second_time_only_what_is_new_is_looked_at(mini: Mini, tmp_path: Path) -> None:
    folder = photo_folder(tmp_path / "photos")
    (folder / "2024" / "[bold] 夏天" / "copy.jpg").unlink()
    await filler(mini).fill(with_photos=False)
    owner = await filler(mini).admin()
    await import_photos(mini.library, owner, photos_in(folder), {}, lambda: None)
    first = await filler(mini).unread()
    (folder / "new.jpg").write_bytes(jpeg((60, 40), (200, 2, 3)))
    known = await filler(mini).known_files(owner)
    again = await import_photos(mini.library, owner, photos_in(folder), known, lambda: None)
    assert (len(first), len(await filler(mini).unread())) == (2, 3)
    assert {path.name for path in again} == {"broken.jpg", "film.mp4"}


def test_a_folder_that_is_none_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"--photos: .*absent is no folder"):
        photos_in(tmp_path / "absent")


# ---- Made-up assets


async def test_made_up_assets_are_whole_and_the_same_every_time(mini: Mini) -> None:
    await filler(mini).fill(with_photos=False)
    owner = await filler(mini).admin()
    steps: list[int] = []
    made = await fill_synthetic(mini.data, owner, 1000, steps.append)
    assert made is not None
    assert (made.assets, sum(steps)) == (1000, 1000)
    assert await fill_synthetic(mini.data, owner, 1000, steps.append) is None
    counts = {
        table: (await mini.rows(f"SELECT count(*) AS n FROM {table}"))[0]["n"]  # noqa: S608
        for table in ("asset", "asset_exif", "asset_job_status", "smart_search", "ocr_search")
    }
    assert counts == {
        "asset": 1000, "asset_exif": 1000, "asset_job_status": 1000, "smart_search": 1000,
        "ocr_search": 200,
    }  # fmt: skip
    (first,) = await mini.rows("SELECT id FROM asset WHERE \"originalFileName\" = 'IMG_1.jpg'")
    assert str(first["id"]) == FIRST
    (same,) = await mini.rows(
        'SELECT text FROM ocr_search WHERE "assetId" = %(id)s', id=UUID(FIRST)
    )
    lines = await mini.rows(
        'SELECT text FROM asset_ocr WHERE "assetId" = %(id)s ORDER BY y1', id=UUID(FIRST)
    )
    assert len(lines) == 6
    assert lines[0]["text"] == "21588785 nogami 43342600 51150186 peluba 对用 jogami nofuco"
    assert (" ".join(line["text"] for line in lines) == same["text"]) is mini.old


FIRST = "0e6d247d-899e-40c6-976a-1bed5803987c"


async def test_indexes_triggers_and_keys_are_back_after_filling(mini: Mini) -> None:
    indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname"
    before = await mini.rows(indexes)
    await filler(mini).fill(with_photos=False)
    await fill_synthetic(mini.data, await filler(mini).admin(), 50, lambda _: None)
    assert await mini.rows(indexes) == before
    await mini.run("DELETE FROM asset")
    assert await mini.rows("SELECT FROM smart_search") == []


async def test_vectors_lie_in_clusters_and_have_length_one(newest: Mini) -> None:
    await filler(newest).fill(with_photos=False)
    await fill_synthetic(newest.data, await filler(newest).admin(), 400, lambda _: None)
    rows = await newest.rows("SELECT embedding::text AS e FROM smart_search")
    vectors = np.array([json.loads(row["e"]) for row in rows])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    cosines = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
    near = float((cosines > 0.4).mean())
    assert 0.03 < near < 0.15  # sixteen clusters: about one pair in sixteen
    assert float(np.median(cosines)) < 0.2


def test_some_words_stand_in_most_texts_and_most_words_in_few() -> None:
    words = vocabulary()
    assert len(words) == len(set(words)) == 30_000
    chinese = sum(not word.isascii() for word in words)
    assert 0.4 < chinese / len(words) < 0.9

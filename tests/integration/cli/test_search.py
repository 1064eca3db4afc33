"""``immich-aio search``, as a process of its own over a database of Immich's."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any
from uuid import UUID

import pytest

from immich_aio.domain.immich import Shape
from immich_aio.store.database import Database
from tests.clip_golden import TINY
from tests.integration.services.sandbox.ml_server import MlServer, ml_server, vector_of
from tests.integration.store.library import Library

NEWEST = pytest.mark.parametrize("shape", [Shape.V3_1], indirect=True, ids=str)
MADE = "The text index was made: "
BY_TEXT = "By text alone, for "


@dataclass(frozen=True)
class Said:
    """What a search said, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def names(self) -> list[str]:
        """The names of the photos of a table, in its order."""
        rows = self.out.splitlines()[1:]
        return [row.split()[2] for row in rows if row[:1].isdigit()]


class Search:
    """The command with the settings of a database."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._folder = folder
        self._settings = settings

    async def __call__(self, *arguments: str, **settings: str) -> Said:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "immich_aio", "search", *arguments),
            env=os.environ | self._settings | settings,
            cwd=self._folder,
            stdout=PIPE,
            stderr=PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        said = Said(process.returncode, out.decode(), err.decode())
        assert "Traceback" not in said.err
        return said

    async def json(self, *arguments: str, **settings: str) -> Any:  # noqa: ANN401  # a document
        said = await self(*arguments, "--json", **settings)
        assert said.status == 0, said.err
        return json.loads(said.out)


@pytest.fixture
def search(database: Database, tmp_path: Path) -> Search:
    return Search(tmp_path, DB_URL=database.url)


async def named(library: Library, name: str, *lines: str) -> UUID:
    """A photo of that name."""
    asset_id = await library.add(*lines)
    await library.run('UPDATE asset SET "originalFileName" = %s WHERE id = %s', name, asset_id)
    return asset_id


async def test_texts_are_found_at_once_and_the_index_is_made_and_kept_up(
    library: Library, search: Search
) -> None:
    """Also in the shape of 2.2; with one user nobody need say who searches."""
    await named(library, "invoice.jpg", "增值税电子普通发票", "杭州")
    await named(library, "cafe.jpg", "Café")
    said = await search("ocr:发票")
    assert (said.status, said.names) == (0, ["invoice.jpg"])
    assert said.err == f"{MADE}2 photos with text.\n"
    assert "增值税电子普通[发票]" in said.out
    again = await search("ocr:cafe")
    assert (again.names, again.err) == (["cafe.jpg"], "")
    await named(library, "second.jpg", "Cafe")
    later = await search("ocr:cafe")
    assert set(later.names) == {"cafe.jpg", "second.jpg"}
    assert "taken over 1 photos" in later.err


@NEWEST
async def test_a_role_that_may_only_read_is_told_that_the_index_is_behind(
    database: Database, library: Library, search: Search
) -> None:
    await named(library, "old.jpg", "发票")
    await search("ocr:发票")
    await named(library, "new.jpg", "发票")
    row = await database.row("SELECT current_database() AS name")
    assert row is not None
    await library.run(f"ALTER DATABASE {row['name']} SET default_transaction_read_only = on")
    said = await search("ocr:发票")
    assert (said.status, said.names) == (0, ["old.jpg"])
    assert said.err == "The text index is 1 photos behind: run 'immich-aio index sync'.\n"


@NEWEST
async def test_a_large_library_without_an_index_is_told_to_make_one(
    library: Library, search: Search
) -> None:
    await library.add("x")
    await library.run(
        'INSERT INTO asset (id, "ownerId", type, "originalPath", "originalFileName", '
        '"fileCreatedAt", "fileModifiedAt", "localDateTime", checksum, "checksumAlgorithm") '
        "SELECT gen_random_uuid(), \"ownerId\", 'IMAGE', '', '', now(), now(), now(), "
        "decode(md5(n::text), 'hex'), 'sha1' FROM asset, generate_series(1, 20000) n"
    )
    await library.run(
        'INSERT INTO asset_ocr ("assetId", x1, y1, x2, y2, x3, y3, x4, y4, "boxScore", '
        "\"textScore\", text) SELECT id, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 'y' FROM asset "
        "WHERE \"originalPath\" = ''"
    )
    said = await search("ocr:x")
    assert (said.status, said.out) == (1, "")
    assert "20,001 photos have text" in said.err
    assert "immich-aio index sync" in said.err


@NEWEST
async def test_whose_search_it_is_must_be_known(library: Library, search: Search) -> None:
    nobody = await search("发票")
    assert (nobody.status, "has no users yet" in nobody.err) == (1, True)
    await library.add("发票")
    await library.run("INSERT INTO \"user\" (email) VALUES ('mei@example.com')")
    await library.run(
        'INSERT INTO "user" (email, "deletedAt") VALUES (\'gone@example.com\', now())'
    )
    for arguments in (("发票",), ("--user", "gone@example.com", "发票")):
        said = await search(*arguments)
        assert (said.status, said.out) == (1, "")
        assert "--user takes the address" in said.err
        assert "mei@example.com" in said.err
        assert "gone@example.com, " not in said.err
    found = await search("--user", "MEI@example.com", "ocr:发票")
    assert (found.status, found.out) == (0, "Nothing was found.\n")


@NEWEST
async def test_a_partners_photos_are_found_where_they_are_in_the_timeline(
    library: Library, search: Search
) -> None:
    theirs = await named(library, "theirs.jpg", "发票")
    await library.run("INSERT INTO \"user\" (email) VALUES ('mei@example.com')")
    await library.run(
        'INSERT INTO partner ("sharedById", "sharedWithId") SELECT a."ownerId", u.id '
        "FROM asset a, \"user\" u WHERE u.email = 'mei@example.com'"
    )
    asked = ("--user", "mei@example.com", "ocr:发票")
    assert (await search(*asked)).names == []
    await library.run('UPDATE partner SET "inTimeline" = true')
    assert (await search(*asked)).names == ["theirs.jpg"]
    await library.run("UPDATE asset SET visibility = 'locked' WHERE id = %s", theirs)
    locked = ("--visibility", "locked")
    refused = await search(*locked, *asked)
    assert (refused.status, "Add --elevated" in refused.err) == (1, True)
    assert (await search(*locked, "--elevated", *asked)).names == []
    owner = await library.database.row("SELECT email FROM \"user\" WHERE email LIKE '%%-%%'")
    assert owner is not None
    own = await search(*locked, "--elevated", "--user", owner["email"], "ocr:发票")
    assert own.names == ["theirs.jpg"]


@NEWEST
async def test_immichs_fuzzy_filter_needs_immichs_extension(
    database: Database, library: Library, search: Search
) -> None:
    found = await named(library, "a.jpg", "发票")
    await library.run("INSERT INTO ocr_search VALUES (%s, '发票')", found)
    await named(library, "b.jpg", "发票")
    assert (await search("--ocr", "发票", "ocr:发票")).names == ["a.jpg"]
    await database.run("DROP EXTENSION pg_trgm CASCADE")
    said = await search("--ocr", "发票", "ocr:发票")
    assert (said.status, said.out) == (1, "")
    assert "CREATE EXTENSION pg_trgm" in said.err
    assert set((await search("ocr:发票")).names) == {"a.jpg", "b.jpg"}


@NEWEST
async def test_meaning_is_asked_of_the_server_that_is_set_under_immichs_own_name(
    library: Library, search: Search
) -> None:
    near, far = await named(library, "near.jpg"), await named(library, "far.jpg", "海 发票")
    await library.run("INSERT INTO smart_search VALUES (%s, %s)", near, vector_of("海边"))
    await library.run("INSERT INTO smart_search VALUES (%s, %s)", far, vector_of("else"))
    async with ml_server() as server:
        url = {"SEARCH_ML_URL": server.url}
        said = await search("--language", "zh-CN", "海边", **url)
        assert said.names == ["near.jpg", "far.jpg"]
        assert BY_TEXT not in said.err
        assert asked_for(server) == ("ViT-B-32__openai", {"language": "zh-CN"})
        await library.run(
            "INSERT INTO system_metadata VALUES ('system-config', "
            '\'{"machineLearning": {"clip": {"modelName": "XLM-Roberta-Large-Vit-B-32"}}}\')'
        )
        document = await search.json("海边", **url)
        assert asked_for(server)[0] == "XLM-Roberta-Large-Vit-B-32"
        assert document["by"] == "text and meaning"
        assert document["results"][0]["cosine"] == pytest.approx(1, abs=1e-4)
        await search("海边", SEARCH_ML_MODEL="other", **url)
        assert asked_for(server)[0] == "other"
        count = len(server.asked)
        assert (await search("ocr:发票", **url)).names == ["far.jpg"]
        assert len(server.asked) == count
        server.failing.add("clip")
        failed = await search("海边", **url)
        assert (failed.status, failed.out) == (1, "")
        assert f"SEARCH_ML_URL at {server.url.rstrip('/')} answered 503 to /predict" in failed.err
        assert "no such model here" in failed.err


@NEWEST
async def test_a_vector_of_another_length_is_an_error(library: Library, search: Search) -> None:
    await library.add("发票")
    async with ml_server() as server:
        server.vectors["海边"] = vector_of("海边", 768)
        said = await search("海边", SEARCH_ML_URL=server.url)
    assert (said.status, said.out) == (1, "")
    assert "has 768 numbers" in said.err


@NEWEST
async def test_meaning_is_found_in_process_where_the_model_is_here(
    library: Library, search: Search, tmp_path: Path
) -> None:
    photo = await named(library, "photo.jpg")
    await library.run("INSERT INTO smart_search VALUES (%s, %s)", photo, vector_of("x"))
    shutil.copy(TINY, tmp_path)
    chosen = {"CLIP_MODEL": "tiny", "CLIP_DOWNLOAD_ROOT": str(tmp_path)}
    document = await search.json("海边", **chosen)
    assert document["by"] == "text and meaning"
    assert -1 <= document["results"][0]["cosine"] <= 1
    other = await search("海边", CLIP_IMMICH_MODELS="ViT-L-14__openai", **chosen)
    assert (other.status, other.out) == (1, "")


@NEWEST
async def test_without_a_model_texts_alone_are_searched_and_that_is_said(
    library: Library, search: Search
) -> None:
    await named(library, "a.jpg", "海边 发票")
    for settings, reason in (
        ({}, "nothing is set that answers for Immich's model ViT-B-32__openai"),
        ({"CLIP_MODEL": "ViT-B-16"}, "run 'immich-aio models pull ViT-B-16'"),
    ):
        said = await search("海边", **settings)
        assert said.names == ["a.jpg"]
        assert BY_TEXT in said.err
        assert reason in said.err
        none = await search("山", **settings)
        assert (none.status, none.out) == (1, "")
        assert reason in none.err


@NEWEST
async def test_a_document_has_lines_with_their_boxes_and_an_explanation(
    library: Library, search: Search
) -> None:
    asset_id = await named(library, "a.jpg", "first", "电子发票 杭州")
    document = await search.json("ocr:发票 -上海", "--explain")
    assert document["query"] == {
        "words": [["发票"]],
        "excluded": ["上海"],
        "text_only": True,
        "meaning": "发票",
    }
    (found,) = document["results"]
    assert (found["rank"], found["id"], found["file_name"]) == (1, str(asset_id), "a.jpg")
    (line,) = found["lines"]
    assert (line["text"], line["marks"]) == ("电子发票 杭州", [[2, 4]])
    assert line["corners"][2] == [1, pytest.approx(0.2)]
    explanation = found["explanation"]
    assert explanation["total"] == pytest.approx(found["score"])
    assert explanation["words"][0] | {"rarity": 0, "share": 0} == {
        "alternatives": ["发票"],
        "match": "whole",
        "level": 1.0,
        "in_texts": 1,
        "rarity": 0,
        "share": 0,
        "lines": [0],
    }
    plain = await search.json("ocr:发票")
    assert "explanation" not in plain["results"][0]


@NEWEST
async def test_results_are_told_apart_and_paged(library: Library, search: Search) -> None:
    for number in range(3):
        await named(library, f"{number}.jpg", "发票", "杭州" if number else "上海")
    said = await search("ocr:发票 杭州", "--explain")
    assert "0.5 × text" in said.out
    assert "发票: as a word (1), line 1; in 3 of 3 texts" in said.out
    assert "line 2: [杭州]  (0.00, 0.10) to (1.00, 0.20), read at 0.90" in said.out
    first = await search("ocr:发票", "--size", "2")
    assert "More with --page 2" in first.out
    second = await search("ocr:发票", "--size", "2", "--page", "2")
    assert len(first.names) == 2
    assert len({*first.names, *second.names}) == 3
    assert (await search("ocr:发票", "--page", "9")).out == "There is no such page.\n"
    some = await search("ocr:发票 nothing")
    assert "No photo has all the words; these have some." in some.err
    assert some.out.count("(not all of the words)") == len(some.names) == 3
    newest = await search()
    assert len(newest.names) == 3
    assert "the newest come first" in newest.err


async def test_without_a_database_it_says_how_to_set_one(tmp_path: Path) -> None:
    said = await Search(tmp_path)("发票")
    assert (said.status, said.out) == (1, "")
    assert "No database is set. Set DB_HOSTNAME" in said.err


@NEWEST
async def test_what_is_wrong_with_a_filter_is_said_before_anything_is_made(
    library: Library, search: Search, database: Database
) -> None:
    await library.add("发票")
    said = await search("--album", "holiday", "发票")
    assert (said.status, "--album: Invalid UUID" in said.err) == (1, True)
    assert await database.row("SELECT to_regnamespace('immich_aio') AS found") == {"found": None}


def asked_for(server: MlServer) -> tuple[str, object]:
    """Under which name a vector was last asked, and with which options."""
    textual = server.tasks("clip")[-1]["textual"]
    return textual["modelName"], textual.get("options")

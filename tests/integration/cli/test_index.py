"""``immich-aio index``, as a process of its own over a database of Immich's."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path
from subprocess import PIPE, STDOUT

import psycopg
import pytest

from immich_aio.domain.immich import Shape
from immich_aio.services.sandbox.embedded.postgres import Postgres
from immich_aio.store.database import Database
from tests.integration.store.library import Library

NEWEST = pytest.mark.parametrize("shape", [Shape.V3_1], indirect=True, ids=str)


class Command:
    """The command with the settings of a database."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._folder = folder
        self._settings = settings

    async def start(self, *arguments: str) -> Process:
        """Its process."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "immich_aio", "index", *arguments),
            env=os.environ | self._settings,
            cwd=self._folder,
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
        )

    async def __call__(self, *arguments: str, answer: str = "") -> tuple[int, str]:
        """Its exit status and all that it said."""
        process = await self.start(*arguments)
        said, _ = await process.communicate(answer.encode())
        assert process.returncode is not None
        return process.returncode, said.decode()


@pytest.fixture
def index(database: Database, tmp_path: Path) -> Command:
    return Command(tmp_path, DB_URL=database.url)


async def test_an_index_is_made_followed_shown_and_dropped(
    database: Database, shape: Shape, index: Command
) -> None:
    library = Library(database, shape)
    await library.add("发票")
    assert await index("status") == (
        0,
        "There is no text index yet. Run 'immich-aio index sync' to make it.\n",
    )
    assert await index("sync") == (0, "The text index is made: 1 photos with text.\n")
    asset_id = await library.add("second")
    _, said = await index("status")
    assert "behind     1 photos" in said
    assert await index("sync") == (0, "1 photos were read anew, 0 taken out.\n")
    await library.run("DELETE FROM asset WHERE id = %s", asset_id)
    assert await index("sync") == (0, "0 photos were read anew, 1 taken out.\n")
    assert await index("rebuild") == (0, "The text index is made: 1 photos with text.\n")
    status, said = await index("status")
    assert status == 0
    shown = dict(line.split(maxsplit=1) for line in said.splitlines())
    assert shown["photos"] == "1 with text"
    assert shown["segmenter"] == "rjieba (SEARCH_SEGMENTER is auto)"
    assert shown["behind"] == "nothing: as Immich has it"
    assert shown["Immich"] == f"tables of {shape.value}, vectors of 512 numbers"
    assert await index("drop", "--yes") == (
        0,
        "The schema immich_aio is removed. Nothing of ours is left in Immich's database.\n",
    )
    _, said = await index("drop", "--yes")
    assert "nothing was removed" in said


@NEWEST
async def test_following_goes_on_until_it_is_told_to_end(
    database: Database, shape: Shape, index: Command
) -> None:
    process = await index.start("sync", "--follow")
    assert process.stdout is not None
    while b"Following Immich" not in await process.stdout.readline():
        assert process.returncode is None
    asset_id = await Library(database, shape).add("发票")
    known = 'SELECT folded FROM immich_aio.document WHERE "assetId" = %(id)s'
    while await database.row(known, id=asset_id) is None:  # noqa: ASYNC110  # it tells nobody
        await asyncio.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 130


@NEWEST
async def test_dropping_asks_first(database: Database, index: Command) -> None:
    await index("sync")
    status, said = await index("drop", answer="n\n")
    assert (status, "Aborted" in said) == (1, True)
    assert (await index("status"))[1].startswith("photos")
    status, said = await index("drop", answer="y\n")
    assert (status, "is removed" in said) == (0, True)
    assert await database.row("SELECT to_regnamespace('immich_aio') AS found") == {"found": None}


@NEWEST
async def test_the_index_can_be_dropped_also_where_immichs_tables_are_not_known(
    database: Database, index: Command
) -> None:
    await index("sync")
    await database.run("DROP TABLE asset_job_status")
    status, said = await index("status")
    assert (status, "table asset_job_status is missing" in said) == (1, True)
    assert (await index("drop", "--yes"))[0] == 0


async def test_what_cannot_be_used_is_said_with_what_to_do(
    postgres: Postgres, tmp_path: Path
) -> None:
    right = psycopg.conninfo.conninfo_to_dict(postgres.url("postgres"))
    given = {
        "DB_HOSTNAME": str(right["host"]),
        "DB_PORT": str(right["port"]),
        "DB_PASSWORD": str(right["password"]),
    }
    cases = [
        ({}, "No database is set. Set DB_HOSTNAME"),
        (given | {"DB_PASSWORD": "wrong"}, "password authentication failed"),
        (given | {"DB_PASSWORD": "wrong"}, "Check DB_USERNAME and DB_PASSWORD"),
        (given | {"DB_DATABASE_NAME": "nothing"}, "Check DB_DATABASE_NAME"),
        (given | {"DB_DATABASE_NAME": "postgres"}, "none of Immich's tables"),
        (given | {"DB_PORT": "9"}, "Check DB_HOSTNAME and DB_PORT"),
        (given | {"DB_HOSTNAME": "no-such-host.invalid"}, "Check DB_HOSTNAME and DB_PORT"),
    ]
    for settings, wanted in cases:
        status, said = await Command(tmp_path, **settings)("status")
        assert (status, wanted in said) == (1, True), said
        assert "Traceback" not in said
        assert str(right["password"]) not in said

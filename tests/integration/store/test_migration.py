"""The schema: made once, by however many processes; gone when dropped; restorable as Immich's."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from immich_aio.domain.immich import Shape
from immich_aio.errors import UnavailableError
from immich_aio.services.sandbox.embedded import account
from immich_aio.services.sandbox.embedded.postgres import Postgres, _programs
from immich_aio.store.database import Database
from immich_aio.store.index_sync import IndexSync
from immich_aio.store.migration import migrate, migrations
from immich_aio.store.text_index import drop_index, index_status
from tests.integration.store.library import Library
from tests.integration.store.photos import DIMENSIONS

pytestmark = pytest.mark.parametrize("shape", [Shape.V3_1], indirect=True, ids=str)

MIGRATE = """
import asyncio, sys
from immich_aio.store.database import Database
from immich_aio.store.migration import migrate

async def main():
    database = Database(sys.argv[1])
    await database.open()
    print("ready", flush=True)
    sys.stdin.readline()
    await migrate(database)
    await database.close()

asyncio.run(main())
"""
OTHERS = """
SELECT count(*) AS count FROM pg_depend
JOIN pg_class ON objid = pg_class.oid JOIN pg_extension ON refobjid = pg_extension.oid
WHERE relnamespace = 'immich_aio'::regnamespace
"""


async def objects(database: Database) -> set[str]:
    """Everything that is in the database beside the catalogue."""
    rows = await database.rows(
        "SELECT relnamespace::regnamespace || '.' || relname AS name FROM pg_class "
        "WHERE relnamespace::regnamespace::text NOT IN ('pg_catalog', 'pg_toast', "
        "'information_schema') UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger "
        "UNION ALL SELECT 'schema ' || nspname FROM pg_namespace "
        "UNION ALL SELECT 'function ' || oid::regprocedure FROM pg_proc "
        "UNION ALL SELECT 'configuration ' || cfgname FROM pg_ts_config"
    )
    return {row["name"] for row in rows}


async def test_migrating_again_changes_nothing(database: Database) -> None:
    await migrate(database)
    before = await database.rows("SELECT * FROM immich_aio.migration")
    await migrate(database)
    assert await database.rows("SELECT * FROM immich_aio.migration") == before
    assert [row["number"] for row in before] == [step.number for step in migrations()]


async def test_everything_of_ours_is_in_our_schema_and_goes_with_it(
    database: Database,
) -> None:
    before = await objects(database)
    await migrate(database)
    added = await objects(database) - before
    assert added
    ours = ("immich_aio.", "function immich_aio.")
    assert {name for name in added if not name.startswith(ours)} == {"schema immich_aio"}
    await drop_index(database)
    assert await objects(database) == before
    assert await index_status(database) is None
    await migrate(database)
    assert await objects(database) == before | added


async def test_processes_that_start_together_make_one_schema(database: Database) -> None:
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            MIGRATE,
            database.url,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    for one in started:
        assert one.stdout is not None
        assert await one.stdout.readline() == b"ready\n"
    said = await asyncio.gather(*(one.communicate(b"go\n") for one in started))
    assert [(one.returncode, errors) for one, (_, errors) in zip(started, said, strict=True)] == [
        (0, b"")
    ] * 4
    rows = await database.rows("SELECT number FROM immich_aio.migration ORDER BY number")
    assert [row["number"] for row in rows] == [step.number for step in migrations()]


async def test_a_step_that_fails_leaves_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await objects(database)
    steps = migrations()
    broken = type(steps[0])(1, "CREATE TABLE immich_aio.half (); SELECT 1 / 0")
    with monkeypatch.context() as patched:
        patched.setattr("immich_aio.store.migration.migrations", lambda: [broken])
        with pytest.raises(psycopg.errors.DivisionByZero):
            await migrate(database)
    assert await objects(database) == before
    await migrate(database)


async def test_the_schema_of_a_newer_version_is_refused(database: Database) -> None:
    await migrate(database)
    newer = len(migrations()) + 1
    await database.run(
        "INSERT INTO immich_aio.migration (number) VALUES (:n)".replace(":n", str(newer))
    )
    with pytest.raises(UnavailableError, match=rf"has form {newer}.*Update immich-aio"):
        await migrate(database)


async def test_a_dump_restores_where_immichs_vectors_are_known_and_nothing_else_is(
    database: Database, library: Library, sync: IndexSync, postgres: Postgres, open_folder: Path
) -> None:
    asset_id = await library.add("电子发票", "沪A·D39527")
    vector = [1.0] * DIMENSIONS
    await library.run("INSERT INTO smart_search VALUES (%s, %s)", asset_id, vector)
    await sync.once()
    sql = await asyncio.to_thread(dumped, database.url, open_folder)
    assert "immich_aio.document" in sql
    name = "restored_" + psycopg.conninfo.conninfo_to_dict(database.url)["dbname"]
    await postgres.create_database(name, "template0")
    restored = Database(postgres.url(name))
    await asyncio.to_thread(restore, restored.url, open_folder, "CREATE EXTENSION vector;" + sql)
    await restored.open()
    try:
        everything = "SELECT * FROM immich_aio.document"
        assert await restored.rows(everything) == await database.rows(everything)
        assert await restored.row(OTHERS) == {"count": 0}
        extensions = await restored.rows("SELECT extname FROM pg_extension")
        assert {row["extname"] for row in extensions} == {"plpgsql", "vector"}
        await migrate(restored)
    finally:
        await restored.close()


def programs(folder: Path) -> Path:
    """The PostgreSQL programs of the server under test."""
    return _programs(folder / "postgres", account.unprivileged())


def dumped(url: str, folder: Path) -> str:
    command = [programs(folder) / "pg_dump", "--schema=immich_aio", url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  # ours
    return re.sub(r"^\\(un)?restrict .*$", "", done.stdout, flags=re.MULTILINE)


def restore(url: str, folder: Path, sql: str) -> None:
    command = [programs(folder) / "psql", "--set=ON_ERROR_STOP=1", "--quiet", url]
    subprocess.run(command, input=sql, capture_output=True, text=True, check=True)  # noqa: S603  # ours

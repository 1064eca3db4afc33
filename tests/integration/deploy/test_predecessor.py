"""From the earlier immich-all-in-one: what its fork left in the database comes out."""

from __future__ import annotations

from psycopg import AsyncConnection

from deploy.check.compose import DEPLOY
from immich_aio.domain.immich import Shape
from immich_aio.services.sandbox.embedded.postgres import Postgres
from tests.integration.conftest import template

SCRIPT = (DEPLOY / "from-immich-all-in-one.sql").read_text()

FORK = """
CREATE TABLE kysely_migrations (name varchar PRIMARY KEY, timestamp varchar);
INSERT INTO kysely_migrations VALUES
    ('1744910873969-InitialMigration', ''), ('1746367790313-CreateOCRInfo', '');
CREATE TEXT SEARCH CONFIGURATION chinese (COPY = simple);
ALTER DATABASE predecessor SET default_text_search_config = chinese;
CREATE TABLE ocr_info (
    "assetId" uuid PRIMARY KEY REFERENCES asset ON DELETE CASCADE,
    text text NOT NULL,
    "ocrJson" jsonb
);
CREATE INDEX ocr_info_idx_vec_text ON ocr_info USING gin (to_tsvector('chinese', text));
"""
"""What the fork's migration makes (zhparser's place is taken by a parser that every server has)."""


async def test_nothing_of_the_fork_is_left_and_all_else_stays(postgres: Postgres) -> None:
    await postgres.create_database("predecessor", template(Shape.V3_1))
    url = postgres.url("predecessor")
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        before = await tables(connection)
        await connection.execute(FORK)
        for _ in range(2):  # the second time there is nothing left to do
            await connection.execute(SCRIPT)
        assert await tables(connection) - before == {"kysely_migrations"}
        migrations = await connection.execute("SELECT name FROM kysely_migrations")
        assert await migrations.fetchall() == [("1744910873969-InitialMigration",)]
        found = await connection.execute(
            "SELECT cfgname FROM pg_ts_config WHERE cfgname = 'chinese'"
        )
        assert not await found.fetchall()
    async with await AsyncConnection.connect(url) as connection:
        default = await connection.execute("SHOW default_text_search_config")
        assert "chinese" not in str(await default.fetchone())


async def tables(connection: AsyncConnection) -> set[str]:
    found = await connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    return {name for (name,) in await found.fetchall()}

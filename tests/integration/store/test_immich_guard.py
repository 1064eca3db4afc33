"""The guard: Immich's tables are searched only where they are as we know them."""

from __future__ import annotations

import pytest

from immich_aio.domain.immich import Shape
from immich_aio.errors import UnavailableError
from immich_aio.services.sandbox.embedded.postgres import Postgres
from immich_aio.store.database import Database
from immich_aio.store.immich_guard import ImmichTables, immich_tables

NEWEST = pytest.mark.parametrize("shape", [Shape.V3_1], indirect=True, ids=str)


async def test_both_shapes_are_known(database: Database, shape: Shape) -> None:
    assert await immich_tables(database) == ImmichTables(
        shape=shape,
        dimensions=512,
        vector_index="hnsw",
        iterative_scan=True,
        half_vectors=True,
        has_trigrams=True,
        has_ocr_update_id=shape is Shape.V3_1,
    )


@NEWEST
async def test_another_model_of_clip_is_told_by_the_length_of_its_vectors(
    database: Database,
) -> None:
    await database.run("ALTER TABLE smart_search ALTER embedding TYPE vector(1024)")
    assert (await immich_tables(database)).dimensions == 1024


@NEWEST
async def test_no_index_no_trigrams_and_no_update_id_are_no_faults(database: Database) -> None:
    await database.run("DROP INDEX clip_index")
    await database.run("DROP EXTENSION pg_trgm CASCADE")
    await database.run('ALTER TABLE asset_ocr DROP "updateId"')
    tables = await immich_tables(database)
    assert (tables.vector_index, tables.has_trigrams) == (None, False)
    assert tables.has_ocr_update_id is False


@NEWEST
async def test_an_index_over_vectors_that_is_not_finished_does_not_count(
    database: Database,
) -> None:
    await database.run(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'clip_index'::regclass"
    )
    assert (await immich_tables(database)).vector_index is None


@NEWEST
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ('ALTER TABLE asset_ocr RENAME "isVisible" TO "isShown"', r'asset_ocr."isVisible" is miss'),
        ('ALTER TABLE asset_ocr DROP "textScore"', r'asset_ocr."textScore" is missing'),
        ("DROP TABLE asset_job_status", "table asset_job_status is missing"),
        ("ALTER TABLE smart_search ALTER embedding TYPE halfvec(512)", r"is halfvec\(512\) instea"),
        (
            "ALTER TABLE smart_search ALTER embedding TYPE vector",
            r"is vector instead of vector\(",
        ),
        (
            'ALTER TABLE asset ALTER "isOffline" DROP DEFAULT, ALTER "isOffline" TYPE text',
            'asset."isOffline" is text instead of boolean',
        ),
        ('ALTER TABLE album_asset RENAME "assetId" TO "photoId"', 'album_asset."assetId" is miss'),
    ],
)
async def test_what_is_not_known_is_named_and_search_stays_off(
    database: Database, change: str, named: str
) -> None:
    async with database.connection() as connection:
        await connection.execute("DROP INDEX clip_index")
        await connection.execute(change)  # type: ignore[arg-type]  # a test's own
    with pytest.raises(
        UnavailableError, match=f"{named}.*Search stays off.*Immich answers as ever"
    ):
        await immich_tables(database)


@NEWEST
async def test_a_column_more_does_no_harm(database: Database) -> None:
    await database.run("ALTER TABLE asset_ocr ADD language text")
    assert (await immich_tables(database)).shape is Shape.V3_1


async def test_another_database_is_told_from_immichs(postgres: Postgres) -> None:
    database = Database(postgres.url("postgres"))
    await database.open()
    try:
        with pytest.raises(UnavailableError, match=r"none of Immich's tables.*DB_DATABASE_NAME"):
            await immich_tables(database)
    finally:
        await database.close()

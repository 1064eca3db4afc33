"""Copies of vectors and dates stand beside the texts: whatever happens to a photo, they follow."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest

from immich_aio.store import index_sync
from immich_aio.store.database import Database
from immich_aio.store.index_sync import IndexSync, SyncReport
from tests.integration.store.library import Library
from tests.integration.store.photos import DIMENSIONS, Vector, spelled
from tests.integration.store.searching import Asked, all_pages, search_of

LONG_AGO = datetime(2001, 2, 3, tzinfo=UTC)


@pytest.fixture(autouse=True)
def always_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two looks for changed vectors and dates."""
    monkeypatch.setattr(index_sync, "COPIES_PAUSE", -1.0)


def unit(place: int) -> Vector:
    vector = np.zeros(DIMENSIONS, np.float32)
    vector[place] = 1
    return vector


async def give(library: Library, asset_id: UUID, vector: Vector) -> None:
    """What Immich does when it has a photo's vector."""
    await library.run(
        'INSERT INTO smart_search ("assetId", embedding) VALUES (%s, %s::vector) '
        'ON CONFLICT ("assetId") DO UPDATE SET embedding = excluded.embedding',
        asset_id,
        spelled(vector),
    )


async def copies(database: Database) -> dict[UUID, tuple[list[float] | None, datetime]]:
    rows = await database.rows(
        'SELECT "assetId", embedding::real[] AS vector, "takenAt" FROM immich_aio.document'
    )
    return {row["assetId"]: (row["vector"], row["takenAt"]) for row in rows}


async def vector_of(database: Database, asset_id: UUID) -> list[float] | None:
    return (await copies(database))[asset_id][0]


async def test_a_vector_that_comes_after_the_text_is_copied(
    library: Library, database: Database, sync: IndexSync
) -> None:
    asset_id, other = await library.add("发票"), await library.add("收据")
    await sync.once()
    assert await vector_of(database, asset_id) is None
    await give(library, asset_id, unit(0))
    assert await sync.once() == SyncReport(copied=1)
    assert await vector_of(database, asset_id) == unit(0).tolist()
    assert await vector_of(database, other) is None


async def test_a_vector_that_is_there_before_the_text_is_copied_with_it(
    library: Library, database: Database, sync: IndexSync
) -> None:
    await library.add("收据")
    await sync.once()
    asset_id = await library.add(read=False)
    await give(library, asset_id, unit(0))
    await library.read_again(asset_id, "发票")
    assert await sync.once() == SyncReport(written=1)
    assert await vector_of(database, asset_id) == unit(0).tolist()


async def test_a_vector_that_is_replaced_and_one_that_is_removed_are_followed(
    library: Library, database: Database, sync: IndexSync
) -> None:
    asset_id = await library.add("发票")
    await give(library, asset_id, unit(0))
    await sync.once()
    await give(library, asset_id, unit(1))
    assert await sync.once() == SyncReport(copied=1)
    assert await vector_of(database, asset_id) == unit(1).tolist()
    await library.run("TRUNCATE smart_search")
    assert await sync.once() == SyncReport(copied=1)
    assert await vector_of(database, asset_id) is None


async def test_a_date_that_is_changed_is_followed(
    library: Library, database: Database, sync: IndexSync
) -> None:
    asset_id = await library.add("发票")
    await sync.once()
    await library.run('UPDATE asset SET "fileCreatedAt" = %s', LONG_AGO)
    assert await sync.once() == SyncReport(copied=1)
    assert (await copies(database))[asset_id] == (None, LONG_AGO)


async def test_more_copies_than_one_transaction_takes_are_all_made(
    library: Library, sync: IndexSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("immich_aio.store.text_index.COPIES", 2)
    photos = [await library.add("发票") for _ in range(5)]
    await sync.once()
    for asset_id in photos:
        await give(library, asset_id, unit(0))
    assert await sync.once() == SyncReport(copied=5)
    assert await sync.once() == SyncReport()


async def test_nothing_is_copied_where_nothing_has_changed(
    library: Library, sync: IndexSync
) -> None:
    await give(library, await library.add("发票"), unit(0))
    await sync.once()
    await library.run('UPDATE asset SET "isFavorite" = true')
    await library.run("VACUUM (FREEZE) smart_search")
    assert await sync.once() == SyncReport()
    assert await sync.once(sweep=True) == SyncReport()


async def test_a_change_within_the_pause_is_copied_after_it(
    library: Library, database: Database, sync: IndexSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset_id = await library.add("发票")
    await sync.once()
    with monkeypatch.context() as waiting:
        waiting.setattr(index_sync, "COPIES_PAUSE", 3600.0)
        await give(library, asset_id, unit(0))
        assert await sync.once() == SyncReport()
        assert await sync.once() == SyncReport()
    assert await sync.once() == SyncReport(copied=1)
    assert await vector_of(database, asset_id) == unit(0).tolist()


async def test_searches_score_by_new_vectors_and_dates_once_they_are_copied(
    library: Library, database: Database, sync: IndexSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("immich_aio.store.search.exact_at_most", lambda _library, _limit: -1)
    one, two = await library.add("发票"), await library.add("发票")
    await give(library, one, unit(0))
    await sync.once()
    # The second has no copy yet: it is scored by Immich's own vector.
    await give(library, two, (unit(0) + unit(1)) / np.float32(2**0.5))
    asked = Asked("发票", vector=unit(0))
    assert [hit.asset_id for hit in await all_pages(await search_of(database), asked)] == [one, two]
    await give(library, one, unit(1))
    await library.run('UPDATE asset SET "fileCreatedAt" = %s WHERE id = %s', LONG_AGO, two)
    await sync.once()
    search = await search_of(database)
    hits = await all_pages(search, asked)
    assert [hit.asset_id for hit in hits] == [two, one]
    assert [hit.cosine for hit in hits] == pytest.approx([0.5**0.5, 0], abs=1e-3)
    by_date = [hit.asset_id for hit in await all_pages(search, Asked("ocr:发票"))]
    assert by_date == [one, two]

"""An index over the vectors beside the texts: made, made anew and used where there are many."""

from __future__ import annotations

from typing import LiteralString

import numpy as np
import pytest

from immich_aio.domain.search_plan import Texts
from immich_aio.store import index_sync, meaning_index, planned_search
from immich_aio.store.database import Database
from immich_aio.store.immich_guard import immich_tables
from immich_aio.store.index_sync import IndexSync, SyncReport
from immich_aio.store.text.segmentation import JiebaSegmenter
from tests.integration.store.library import Library
from tests.integration.store.photos import DIMENSIONS, Vector, spelled
from tests.integration.store.searching import Asked, all_pages, search_of

PHOTOS = 300
USED: LiteralString = """
SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'document_meaning_idx'"""
LENGTH: LiteralString = """
SELECT substring(indexdef FROM 'halfvec\\((\\d+)\\)')::int4 AS length FROM pg_indexes
WHERE indexname = 'document_meaning_idx'"""


@pytest.fixture(autouse=True)
def for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if few texts were many; changed vectors are looked for at every look."""
    monkeypatch.setattr(meaning_index, "TEXTS", PHOTOS - 1)
    monkeypatch.setattr(index_sync, "COPIES_PAUSE", -1.0)


def directions(count: int, length: int = DIMENSIONS) -> list[Vector]:
    drawn = np.random.default_rng(5).standard_normal((count, length)).astype(np.float32)
    return list(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


async def fill(library: Library, vectors: list[Vector]) -> None:
    for vector in vectors:
        asset_id = await library.add("发票", "合同")
        await library.run(
            'INSERT INTO smart_search ("assetId", embedding) VALUES (%s, %s::vector)',
            asset_id,
            spelled(vector),
        )


async def length(database: Database) -> int | None:
    row = await database.row(LENGTH)
    return None if row is None else int(row["length"])


async def test_there_is_one_from_so_many_texts_on(
    library: Library, database: Database, sync: IndexSync
) -> None:
    vectors = directions(PHOTOS)
    await fill(library, vectors[1:])
    await sync.once(sweep=True)
    assert await length(database) is None
    await fill(library, vectors[:1])
    await sync.rebuild()
    await sync.once()
    assert await length(database) == DIMENSIONS


async def test_a_rebuild_is_followed_by_another_one(
    library: Library, database: Database, sync: IndexSync
) -> None:
    await fill(library, directions(PHOTOS))
    await sync.once()
    await sync.rebuild()
    await sync.once()
    assert await length(database) == DIMENSIONS


async def test_vectors_of_another_length_are_copied_and_get_another_one(
    library: Library, database: Database, sync: IndexSync
) -> None:
    """As after another model was chosen in Immich, which empties its table."""
    await fill(library, directions(PHOTOS))
    await sync.once()
    other = DIMENSIONS // 2
    await library.run("DROP INDEX IF EXISTS clip_index")
    await library.run("TRUNCATE smart_search")
    await library.run(f"ALTER TABLE smart_search ALTER embedding TYPE vector({other})")
    await library.run(
        'INSERT INTO smart_search ("assetId", embedding) SELECT id, %s::vector FROM asset',
        spelled(directions(1, other)[0]),
    )
    # Whoever follows does not know of it yet.
    assert await sync.once() == SyncReport(copied=PHOTOS)
    assert await length(database) == DIMENSIONS
    new = IndexSync(database, await immich_tables(database), JiebaSegmenter())
    await new.once(sweep=True)
    assert await length(database) == other


@pytest.mark.parametrize("typed", ["发票", "合同 发票"])
async def test_words_in_very_many_texts_are_found_by_it_nearest_first(
    library: Library,
    database: Database,
    sync: IndexSync,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
) -> None:
    monkeypatch.setattr("immich_aio.store.search.exact_at_most", lambda _library, _limit: -1)
    monkeypatch.setattr(planned_search, "plan_mixed", lambda *_: Texts.STREAM)
    vectors = directions(PHOTOS)
    await fill(library, vectors)
    await sync.once()
    before = (await database.rows(USED))[0]["idx_scan"]
    asked = Asked(typed, vector=vectors[0])
    hits = await all_pages(await search_of(database), asked)
    cosines = [hit.cosine for hit in hits]
    assert len(hits) == PHOTOS
    nearest = sorted((float(vectors[0] @ other) for other in vectors), reverse=True)
    assert cosines == pytest.approx(nearest, abs=2e-3)
    await database.run("SELECT pg_stat_force_next_flush()")
    assert (await database.rows(USED))[0]["idx_scan"] > before

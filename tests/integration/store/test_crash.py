"""A process that is killed loses nothing: the index is whole, and the next one goes on."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import PIPE

import pytest

from immich_aio.store.database import Database
from immich_aio.store.immich_guard import immich_tables
from immich_aio.store.index_sync import IndexSync, SyncReport
from immich_aio.store.text.segmentation import JiebaSegmenter
from immich_aio.store.text_index import index_status
from tests.integration.store.library import Library
from tests.integration.store.test_index_sync import texts

ROOT = Path(__file__).parents[3]


@contextlib.asynccontextmanager
async def killed_in_the_middle(database: Database, what: str, batches: int) -> AsyncIterator[None]:
    """A process that has done so many batches, alive inside the block, and killed at its end."""
    command = [sys.executable, "-m", "tests.integration.store.crash"]
    process = await asyncio.create_subprocess_exec(
        *command, database.url, what, str(batches), stdout=PIPE, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"in the middle\n"
        yield
    finally:
        process.kill()
        await process.wait()


async def lock_is_free(sync: IndexSync) -> SyncReport:
    """The first report of one that may write: the server notices in a moment who has gone."""
    for _ in range(1000):
        report = await sync.once()
        if not report.elsewhere:
            return report
        await asyncio.sleep(0.01)
    raise AssertionError("a killed process still holds the lock")


async def a_new_process(database: Database) -> IndexSync:
    return IndexSync(database, await immich_tables(database), JiebaSegmenter())


async def test_a_kill_in_the_middle_of_following_loses_nothing(
    library: Library, database: Database, sync: IndexSync
) -> None:
    gone = await library.add("gone")
    await sync.once()
    new = {await library.add(f"photo {number}"): f"photo {number}" for number in range(7)}
    await library.run("DELETE FROM asset WHERE id = %s", gone)
    async with killed_in_the_middle(database, "once", 2):
        assert (await sync.once()).elsewhere
        half = await texts(database)
        assert len(half.keys() - {gone}) in (3, 4)  # of the first two batches of two
    report = await lock_is_free(sync)
    assert await texts(database) == new
    assert report.written == len(new) - len(half.keys() - {gone})


@pytest.mark.parametrize("batches", [0, 2])
async def test_a_kill_in_the_middle_of_a_rebuild_leaves_the_old_index(
    library: Library, database: Database, sync: IndexSync, batches: int
) -> None:
    old = {await library.add(f"photo {number}"): f"photo {number}" for number in range(5)}
    await sync.once()
    before = await index_status(database)
    async with killed_in_the_middle(database, "rebuild", batches):
        assert await texts(database) == old
    assert await texts(database) == old
    assert await index_status(database) == before
    later = await library.add("later")
    assert await lock_is_free(sync) == SyncReport(written=1)
    assert (await sync.rebuild()).written == 6
    assert (await texts(database))[later] == "later"


async def test_a_kill_in_the_middle_of_the_first_filling_leaves_it_to_the_next(
    library: Library, database: Database, sync: IndexSync
) -> None:
    photos = {await library.add(f"photo {number}"): f"photo {number}" for number in range(5)}
    async with killed_in_the_middle(database, "once", 1):
        assert await texts(database) == {}
    assert (await lock_is_free(sync)).rebuilt
    assert await texts(database) == photos
    assert await lock_is_free(await a_new_process(database)) == SyncReport()

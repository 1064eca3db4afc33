"""The index follows Immich: whatever happens to a photo, one look later the index is right."""

from __future__ import annotations

import asyncio
import hashlib
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import DictRow

from immich_aio.domain.immich import Shape
from immich_aio.errors import UnavailableError
from immich_aio.store import index_sync
from immich_aio.store.database import Database
from immich_aio.store.immich_guard import immich_tables
from immich_aio.store.index_sync import BATCH, IndexSync, SyncReport
from immich_aio.store.migration import migrate
from immich_aio.store.text.grams import HALVES, document_grams
from immich_aio.store.text.segmentation import JiebaSegmenter
from immich_aio.store.text_index import drop_index, writing
from tests.integration.store.library import Library

NOTHING = SyncReport()


async def texts(database: Database) -> dict[UUID, str]:
    rows = await database.rows('SELECT "assetId", folded FROM immich_aio.document')
    return {row["assetId"]: row["folded"] for row in rows}


async def until_indexed(database: Database, asset_id: UUID) -> None:
    for _ in range(1000):
        if asset_id in await texts(database):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the index did not follow within ten seconds")


async def test_a_photo_becomes_a_document(
    library: Library, database: Database, sync: IndexSync
) -> None:
    asset_id = await library.add(("增值稅電子普通發票", 0.99), ("沪A·D39527", 0.8))
    assert await sync.once() == SyncReport(written=1, rebuilt=True)
    row = await database.row("SELECT * FROM immich_aio.document")
    assert row is not None
    assert row["assetId"] == asset_id
    assert row["folded"] == "增值税电子普通发票\n沪a d39527\n沪ad39527"
    first, second, joined = row["words"].split("\n")
    assert all(f" {word} " in first for word in ("增值税", "电子", "普通", "发票"))
    assert (second, joined) == (" 沪 a d39527 ", " 沪ad39527 ")
    assert row["confidence"] == pytest.approx((0.99 + 0.8) / 2, abs=1e-6)
    *grams, half = row["grams"]
    assert grams == document_grams(row["folded"])
    assert half in HALVES


async def test_photos_without_text_and_unread_ones_have_no_document(
    library: Library, database: Database, sync: IndexSync
) -> None:
    await library.add()
    await library.add("—…", "！")
    await library.add(read=False)
    await sync.once()
    assert await texts(database) == {}


async def test_a_new_photo_a_second_reading_and_an_emptied_one_are_taken_over(
    library: Library, database: Database, sync: IndexSync
) -> None:
    one, two = await library.add("first"), await library.add("second")
    await sync.once()
    three = await library.add("third")
    await library.read_again(one, "changed")
    await library.read_again(two)
    assert await sync.once() == SyncReport(written=2, removed=1)
    assert await texts(database) == {one: "changed", three: "third"}


async def test_a_photo_that_was_waiting_is_taken_over_when_it_is_read(
    library: Library, database: Database, sync: IndexSync
) -> None:
    waiting = await library.add(read=False)
    await sync.once()
    await library.read_again(waiting, "late")
    await sync.once()
    assert await texts(database) == {waiting: "late"}


async def test_deleted_photos_and_a_truncated_table_leave_no_document(
    library: Library, database: Database, sync: IndexSync
) -> None:
    one, two = await library.add("one"), await library.add("two")
    await sync.once()
    await library.run("DELETE FROM asset WHERE id = %s", one)
    assert await sync.once() == SyncReport(removed=1)
    assert await texts(database) == {two: "two"}
    await library.run("TRUNCATE asset_ocr")
    assert await sync.once() == SyncReport(removed=1)


@pytest.mark.parametrize("shape", [Shape.V3_1], indirect=True, ids=str)
async def test_lines_that_immich_hides_and_shows_without_a_date_are_noticed(
    library: Library, database: Database, sync: IndexSync
) -> None:
    asset_id = await library.add("kept", "cropped away")
    await sync.once()
    hide = 'UPDATE asset_ocr SET "isVisible" = %s WHERE text = %s'
    await library.run(hide, False, "cropped away")
    assert await sync.once() == SyncReport(written=1)
    assert await texts(database) == {asset_id: "kept"}
    await library.run(hide, False, "kept")
    assert await sync.once() == SyncReport(removed=1)
    await library.run(hide, True, "kept")
    await sync.once()
    assert await texts(database) == {asset_id: "kept"}


async def test_a_transaction_that_commits_late_is_not_lost(
    library: Library, database: Database, sync: IndexSync
) -> None:
    asset_id = await library.add(read=False)
    await sync.once()
    async with database.connection() as connection, connection.transaction():
        await library.read(connection, asset_id, "late")
        for text in ("meanwhile", "and again"):
            await library.add(text)
            assert await sync.once() == SyncReport(written=1)
        assert await sync.once() == NOTHING
    assert await sync.once() == SyncReport(written=1)
    assert (await texts(database))[asset_id] == "late"


async def test_a_clock_that_goes_back_loses_nothing(
    library: Library, database: Database, sync: IndexSync
) -> None:
    await library.add("first")
    await sync.once()
    asset_id = await library.add("second")
    await library.run("UPDATE asset_job_status SET \"ocrAt\" = timestamptz '2001-01-01Z'")
    await sync.once()
    assert (await texts(database))[asset_id] == "second"


async def test_a_vacuum_between_a_change_and_the_look_hides_nothing(
    library: Library, database: Database, sync: IndexSync
) -> None:
    asset_id = await library.add("first")
    await sync.once()
    await library.read_again(asset_id, "second")
    await library.run("VACUUM (FREEZE) asset_ocr, asset_job_status")
    assert await sync.once() == SyncReport(written=1)
    assert await texts(database) == {asset_id: "second"}


async def test_nothing_is_written_while_nothing_has_changed(
    library: Library, database: Database, sync: IndexSync
) -> None:
    await library.add("text")
    await sync.once()
    await sync.once()
    before = await database.row("SELECT pg_current_snapshot()::text AS snapshot")
    assert [await sync.once() for _ in range(3)] == [NOTHING] * 3
    assert await database.row("SELECT pg_current_snapshot()::text AS snapshot") == before


async def test_more_changes_than_a_batch_holds_are_all_taken_over(
    library: Library, database: Database, sync: IndexSync
) -> None:
    asset_id = await library.add("one")
    await sync.once()
    count = BATCH * 2 + 1
    columns = 'type, "ownerId", "originalPath", "originalFileName", "fileCreatedAt", '
    columns += '"fileModifiedAt", "localDateTime"'
    extra = '"checksumAlgorithm"'
    if library.shape is Shape.V2_2:
        extra = '"deviceAssetId", "deviceId"'
    await library.run(
        f"INSERT INTO asset (id, checksum, {columns}, {extra}) SELECT gen_random_uuid(), "  # noqa: S608  # ours
        f"number::text::bytea, {columns}, {extra} FROM asset, generate_series(1, {count}) AS number"
    )
    await library.run(
        'INSERT INTO asset_ocr ("assetId", x1, y1, x2, y2, x3, y3, x4, y4, "boxScore", "textScore",'
        " text) SELECT id, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 'n' || encode(checksum, 'escape') "
        "FROM asset WHERE id <> %s",
        asset_id,
    )
    assert await sync.once() == SyncReport(written=count)
    assert len(await texts(database)) == count + 1


async def test_when_most_photos_have_changed_the_index_is_made_anew(
    library: Library, database: Database, sync: IndexSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_sync, "MANY", 1)
    photos = [await library.add(f"photo {number}") for number in range(14)]
    await sync.once()
    await library.run('UPDATE asset_job_status SET "facesRecognizedAt" = now()')
    assert await sync.once() == NOTHING
    for asset_id in photos[:2]:
        await library.read_again(asset_id, "again")
    assert await sync.once() == SyncReport(written=2)
    for asset_id in photos[:3]:
        await library.read_again(asset_id, "and again")
    assert await sync.once() == SyncReport(written=14, rebuilt=True)
    assert list((await texts(database)).values()).count("and again") == 3


async def test_a_rebuild_gives_what_following_gave_and_tells_how_far_it_is(
    library: Library, database: Database, sync: IndexSync
) -> None:
    await library.add("发票", "number 12")
    await sync.once()
    await library.add("later")
    await sync.once()
    everything = 'SELECT * FROM immich_aio.document ORDER BY "assetId"'

    async def documents() -> list[DictRow]:
        """All of them; of which half each is depends on its neighbours."""
        rows = await database.rows(everything)
        return [{**row, "grams": row["grams"][:-1]} for row in rows]

    followed = await documents()
    steps: list[tuple[int, int]] = []
    report = await sync.rebuild(lambda done, total: steps.append((done, total)))
    assert report == SyncReport(written=2, rebuilt=True)
    assert steps == [(0, 2), (2, 2)]
    assert await documents() == followed
    names = await database.rows(
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'immich_aio' "
        "AND tablename LIKE 'document%%'"
    )
    kinds = ("pkey", "grams_idx", "dimensions_idx", "date_idx")
    assert {row["indexname"] for row in names} == {f"document_{kind}" for kind in kinds}


async def test_what_happens_during_a_rebuild_is_taken_over_afterwards(
    library: Library, database: Database, sync: IndexSync
) -> None:
    one, two = await library.add("one"), await library.add("two")
    await sync.once()
    segmenter = _Waiting()
    slow = IndexSync(database, await immich_tables(database), segmenter)
    rebuild = asyncio.create_task(slow.rebuild())
    await segmenter.reached.wait()
    await library.run("DELETE FROM asset WHERE id = %s", one)
    three = await library.add("three")
    assert set(await texts(database)) == {one, two}  # the old index serves
    segmenter.go.set()
    await rebuild
    await sync.once()
    assert set(await texts(database)) == {two, three}


async def test_immich_may_change_its_tables_while_the_index_is_made(
    library: Library, database: Database, sync: IndexSync
) -> None:
    """It waits for what is being read, and for nothing that itself waits for Immich."""
    one = await library.add("one")
    await sync.once()
    segmenter = _Waiting()
    slow = IndexSync(database, await immich_tables(database), segmenter)
    rebuild = asyncio.create_task(slow.rebuild())
    await segmenter.reached.wait()
    async with database.connection() as immich, immich.transaction():
        await immich.execute("ALTER TABLE smart_search ADD COLUMN one int")
        changes = asyncio.create_task(immich.execute("ALTER TABLE asset_ocr ADD COLUMN two int"))
        await until_it_waits(database)
        segmenter.go.set()
        await asyncio.wait_for(changes, 30)
    await rebuild
    assert set(await texts(database)) == {one}


async def until_it_waits(database: Database) -> None:
    for _ in range(1000):
        if await database.row("SELECT pid FROM pg_locks WHERE NOT granted"):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nothing waited for a lock within ten seconds")


async def test_whoever_gives_way_does_not_wait_long_while_immich_changes_its_tables(
    library: Library, database: Database
) -> None:
    one = await library.add("one")
    await migrate(database)
    polite = Database(database.url, gives_way=True)
    await polite.open()
    follower = IndexSync(polite, await immich_tables(polite), JiebaSegmenter())
    async with database.connection() as immich, immich.transaction():
        await immich.execute("ALTER TABLE smart_search ADD COLUMN one int")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await follower.once()
    await follower.once()
    assert set(await texts(database)) == {one}
    await polite.close()


async def test_two_that_follow_keep_apart(
    library: Library, database: Database, sync: IndexSync
) -> None:
    await library.add("text")
    async with writing(database, wait=True):
        assert await sync.once() == SyncReport(elsewhere=True)
    assert (await sync.once()).written == 1


async def test_an_index_of_another_segmenter_or_format_is_made_anew(
    library: Library, database: Database, sync: IndexSync
) -> None:
    await library.add("text")
    await sync.once()
    await library.run("UPDATE immich_aio.state SET format = format - 1")
    await library.run("UPDATE immich_aio.document SET folded = 'of the old format'")
    assert (await sync.once()).rebuilt
    assert list((await texts(database)).values()) == ["text"]
    await library.run("UPDATE immich_aio.state SET segmenter = 'another'")
    assert (await sync.once()).rebuilt


async def test_in_a_restored_database_everything_is_compared(
    library: Library, sync: IndexSync
) -> None:
    await library.add("text")
    await sync.once()
    await library.run("UPDATE immich_aio.state SET place = 'another server'")
    await library.run("UPDATE immich_aio.document SET signature = gen_random_uuid()")
    assert await sync.once() == SyncReport(written=1)


async def test_a_horizon_of_a_server_that_counted_further_is_not_believed(
    library: Library, sync: IndexSync
) -> None:
    await library.add("text")
    await sync.once()
    await library.run("UPDATE immich_aio.document SET signature = gen_random_uuid()")
    await library.run("UPDATE immich_aio.state SET horizon = '99999999999'::xid8")
    assert await sync.once() == SyncReport(written=1)


async def test_it_follows_until_cancelled(
    library: Library, database: Database, sync: IndexSync
) -> None:
    running = asyncio.create_task(sync.run(0.01))
    asset_id = await library.add("text")
    await until_indexed(database, asset_id)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_following_goes_on_after_the_connection_broke(
    library: Library, database: Database, sync: IndexSync
) -> None:
    running = asyncio.create_task(sync.run(0.01))
    await until_indexed(database, await library.add("one"))
    await library.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await until_indexed(database, await library.add("two"))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_dropped_index_is_not_followed_into(
    library: Library, database: Database, sync: IndexSync
) -> None:
    await library.add("one")
    await sync.once()
    running = asyncio.create_task(sync.run(0.01))
    await drop_index(database)
    await library.add("two")
    with pytest.raises(UnavailableError, match="was removed"):
        await running


async def test_a_role_that_may_only_read_immichs_tables_suffices(
    library: Library, database: Database
) -> None:
    role = "reader_" + hashlib.sha256(database.url.encode()).hexdigest()[:12]
    name = psycopg.conninfo.conninfo_to_dict(database.url)["dbname"]
    await library.run(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    await library.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    await library.run(f'GRANT CREATE ON DATABASE "{name}" TO {role}')
    own = Database(psycopg.conninfo.make_conninfo(database.url, user=role, password="secret"))  # noqa: S106
    await own.open()
    try:
        await migrate(own)
        theirs = IndexSync(own, await immich_tables(own), JiebaSegmenter())
        await library.add("text")
        assert (await theirs.once()).written == 1
        await drop_index(own)
    finally:
        await own.close()


class _Waiting(JiebaSegmenter):
    """Waits before it cuts."""

    def __init__(self) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def words(self, folded: list[str]) -> list[list[str]]:  # type: ignore[override]
        self.reached.set()
        await self.go.wait()
        return await super().words(folded)

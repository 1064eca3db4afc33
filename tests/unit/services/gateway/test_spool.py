"""Bodies are kept whole, beyond a size on disk, and nothing is left of them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_aio.errors import SpillError
from immich_aio.services.gateway.spool import TRY_AGAIN, Blob, Spool, SpoolLimits

KIB = 1024


def spool(folder: Path | None = None, *, memory: int = 64 * KIB, disk: int = 1024 * KIB) -> Spool:
    return Spool(SpoolLimits(memory=memory, disk=disk, folder=folder, in_memory=8 * KIB))


async def fill(blob: Blob, chunks: list[bytes]) -> None:
    for chunk in chunks:
        blob.add(chunk)
        if blob.is_large:
            await blob.settle()


async def all_of(blob: Blob) -> bytes:
    return b"".join([chunk async for chunk in blob.chunks()])


@given(st.lists(st.binary(max_size=9 * KIB), max_size=12))
def test_what_went_in_comes_out_as_often_as_it_is_wanted(chunks: list[bytes]) -> None:
    async def round_trip() -> list[bytes]:
        blob = spool().blob()
        await fill(blob, chunks)
        assert blob.size == sum(map(len, chunks))
        return [await all_of(blob) for _ in range(2)]

    assert asyncio.run(round_trip()) == [b"".join(chunks)] * 2


async def test_small_bodies_stay_in_memory_and_large_ones_go_to_disk(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    small, large = kept.blob(), kept.blob()
    await fill(small, [bytes(KIB)])
    await fill(large, [bytes(KIB)] * 32)
    assert small.pieces == [bytes(KIB)]
    assert large.pieces is None
    assert kept.memory + kept.disk == 33 * KIB
    assert kept.disk > 0


async def test_where_all_together_are_too_many_small_ones_go_to_disk_too(tmp_path: Path) -> None:
    kept = spool(tmp_path, memory=4 * KIB)
    blobs = [kept.blob() for _ in range(8)]
    for blob in blobs:
        await fill(blob, [bytes(KIB)])
    assert kept.memory <= 4 * KIB
    assert kept.disk >= 4 * KIB


async def test_no_name_is_left_on_disk_and_no_room_is_taken_when_it_is_closed(
    tmp_path: Path,
) -> None:
    kept = spool(tmp_path)
    blob = kept.blob()
    await fill(blob, [bytes(KIB)] * 32)
    assert os.listdir(tmp_path) == []  # noqa: PTH208  # pathlib's is for threads only
    blob.close()
    assert (kept.memory, kept.disk, blob.size) == (0, 0, 0)


async def test_a_disk_that_takes_nothing_leaves_bodies_in_memory_while_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = spool(tmp_path / "no such folder")
    blob = kept.blob()
    await fill(blob, [bytes([number]) * KIB for number in range(32)])
    assert await all_of(blob) == b"".join(bytes([number]) * KIB for number in range(32))
    assert "set SPILL_FOLDER" in kept.failure
    assert len(caplog.records) == 1


async def test_a_disk_that_took_nothing_is_not_tried_with_every_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = spool(tmp_path / "later")
    blob = kept.blob()
    await fill(blob, [bytes(KIB)] * 16)
    assert not blob.is_large
    (tmp_path / "later").mkdir()
    monkeypatch.setattr("immich_aio.services.gateway.spool.TRY_AGAIN", -1.0)
    await fill(blob, [bytes(KIB)])
    assert (kept.failure, kept.disk) == ("", 17 * KIB)
    assert TRY_AGAIN > 0


@pytest.mark.parametrize("disk", [0, 16 * KIB])
async def test_where_neither_memory_nor_disk_has_room_that_is_an_error_that_says_so(
    tmp_path: Path, disk: int
) -> None:
    kept = spool(tmp_path, memory=16 * KIB, disk=disk)
    blobs = [kept.blob() for _ in range(64)]

    async def fill_all() -> None:
        for blob in blobs:
            await fill(blob, [bytes(KIB)])

    with pytest.raises(SpillError, match="SPILL_MB"):
        await fill_all()
    assert kept.memory <= 17 * KIB
    assert kept.disk <= disk
    for blob in blobs:
        blob.close()
    assert (kept.memory, kept.disk) == (0, 0)


async def test_a_body_that_is_given_up_while_it_is_written_takes_no_room(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    blob = kept.blob()
    blob.add(bytes(32 * KIB))
    writing = asyncio.create_task(blob.settle())
    await asyncio.sleep(0)
    writing.cancel()
    blob.close()
    await asyncio.gather(writing, return_exceptions=True)
    assert (kept.memory, kept.disk) == (0, 0)

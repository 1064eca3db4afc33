"""A gateway over backends that fail in the middle of many jobs, all of them real processes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bench.fault_matrix import (
    FAULTS,
    FULL_DISK,
    NO_DNS,
    Fault,
    Killed,
    Row,
    Stand,
    endure,
    standing,
)

MANY = 500
SOME = 150
MOST_MB = 260
"""Resident memory that the gateway may have with so many jobs in hand."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand() -> AsyncIterator[Stand]:
    """One gateway and its three backends, through all faults."""
    async with standing() as made:
        yield made


def assert_nothing_is_lost(row: Row) -> None:
    assert (row.lost, row.wrong, row.right) == ([], [], row.jobs)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_no_job_is_lost_and_every_answer_is_right(stand: Stand, fault: Fault) -> None:
    row = await endure(stand, fault, MANY if isinstance(fault, Killed) else SOME)
    assert_nothing_is_lost(row)
    assert (row.tries > 0) is not fault.name.startswith("none")
    assert row.memory_mb < MOST_MB


async def test_a_backend_whose_name_is_gone_costs_no_job() -> None:
    async with standing(npu="http://npu.invalid:8060") as made:
        assert_nothing_is_lost(await endure(made, NO_DNS, SOME))


async def test_uploads_for_which_the_disk_has_no_room_are_kept_in_memory() -> None:
    async with standing(small_disk=True) as made:
        assert_nothing_is_lost(await endure(made, FULL_DISK, 60))
        status = await made.status()
    assert "Free some space there, or set SPILL_FOLDER" in str(status["waiting"])

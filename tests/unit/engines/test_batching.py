"""A lane serves in batches, refuses when it is full, and fails nobody for what another sent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from immich_aio.engines.batch_plan import BatchLimits
from immich_aio.engines.batching import Lane
from immich_aio.errors import OverloadedError, UnavailableError


class Work:
    """Doubles numbers, notes each batch, and can be held; a negative number cannot be doubled."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.began = threading.Event()
        self.go_on = threading.Event()
        if not held:
            self.go_on.set()

    def run(self, items: list[int]) -> Sequence[int]:
        self.batches.append(list(items))
        self.began.set()
        assert self.go_on.wait(30)
        if min(items) < 0:
            raise ValueError(f"no {min(items)}")
        return [2 * item for item in items]


@asynccontextmanager
async def lane(
    run: Callable[[list[int]], Sequence[int]],
    *,
    items: int = 4,
    queue_size: int = 100,
    patience: float = 0.0,
) -> AsyncIterator[Lane[int, int]]:
    limits = BatchLimits(items, patience=patience)
    opened = Lane(run, limits=limits, queue_size=queue_size, name="test")
    try:
        yield opened
    finally:
        await opened.close()


async def queued(lane: Lane[int, int], *items: int) -> list[asyncio.Task[int]]:
    """Tasks whose items are in the lane."""

    async def one(item: int) -> int:
        return (await lane.submit(item)).result

    tasks = [asyncio.create_task(one(item)) for item in items]
    await asyncio.sleep(0)
    return tasks


async def began(work: Work) -> None:
    assert await asyncio.to_thread(work.began.wait, 30)


async def test_a_lone_item_is_served_at_once() -> None:
    work = Work()
    async with lane(work.run) as opened:
        outcome = await opened.submit(21)
    assert outcome.result == 42
    assert outcome.waited >= 0
    assert outcome.took > 0


async def test_what_waits_while_a_batch_runs_is_served_together() -> None:
    work = Work(held=True)
    async with lane(work.run) as opened:
        first = await queued(opened, 1)
        await began(work)
        others = await queued(opened, *range(2, 8))
        assert (opened.running, opened.waiting) == (1, 6)
        work.go_on.set()
        assert await asyncio.gather(*first, *others) == [2, 4, 6, 8, 10, 12, 14]
    assert work.batches == [[1], [2, 3, 4, 5], [6, 7]]


async def test_a_full_lane_refuses_at_once_and_serves_the_rest() -> None:
    work = Work(held=True)
    async with lane(work.run, queue_size=2) as opened:
        tasks = await queued(opened, 1)
        await began(work)
        tasks += await queued(opened, 2, 3)
        with pytest.raises(OverloadedError):
            await opened.submit(4)
        work.go_on.set()
        assert await asyncio.gather(*tasks) == [2, 4, 6]


async def test_an_item_whose_caller_has_gone_is_never_worked_on() -> None:
    work = Work(held=True)
    async with lane(work.run) as opened:
        first = await queued(opened, 1)
        await began(work)
        gone, stays = await queued(opened, 2, 3)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        work.go_on.set()
        assert await asyncio.gather(*first, stays) == [2, 6]
    assert work.batches == [[1], [3]]


async def test_a_caller_who_goes_while_the_batch_runs_takes_nobody_along() -> None:
    work = Work(held=True)
    async with lane(work.run, patience=30, items=2) as opened:
        gone, stays = await queued(opened, 1, 2)
        await began(work)
        gone.cancel()
        work.go_on.set()
        assert await stays == 4


async def test_nobody_fails_for_what_another_sent() -> None:
    work = Work(held=True)
    async with lane(work.run) as opened:
        first = await queued(opened, 1)
        await began(work)
        others = await queued(opened, 2, -3, 4)
        work.go_on.set()
        results = await asyncio.gather(*first, *others, return_exceptions=True)
    assert [results[0], results[1], results[3]] == [2, 4, 8]
    assert str(results[2]) == "no -3"


async def test_company_is_awaited_where_the_limits_say_so() -> None:
    work = Work()
    async with lane(work.run, items=3, patience=30) as opened:
        tasks = await queued(opened, 1, 2)
        assert not work.batches
        tasks += await queued(opened, 3)  # a full batch does not wait
        assert await asyncio.gather(*tasks) == [2, 4, 6]
    assert work.batches == [[1, 2, 3]]


async def test_closing_finishes_what_runs_and_refuses_what_waits() -> None:
    work = Work(held=True)
    async with lane(work.run, items=1) as opened:
        running = await queued(opened, 1)
        await began(work)
        waiting = await queued(opened, 2)
        closing = asyncio.create_task(opened.close())
        await asyncio.sleep(0)
        work.go_on.set()
        await closing
        assert await running[0] == 2
        with pytest.raises(UnavailableError, match="shutting down"):
            await waiting[0]
        with pytest.raises(UnavailableError, match="shutting down"):
            await opened.submit(3)


async def test_two_lanes_do_not_wait_for_each_other() -> None:
    slow, fast = Work(held=True), Work()
    async with lane(slow.run) as back_fill, lane(fast.run) as person:
        held = await queued(back_fill, 1)
        await began(slow)
        assert (await person.submit(2)).result == 4
        assert not held[0].done()
        slow.go_on.set()
        await asyncio.gather(*held)

"""A bounded queue before a few workers: refuses when full, drops what nobody waits for.

Work is held up by events, never by sleeping, so no test depends on how fast the machine is.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from immich_aio.engines import worker_pool
from immich_aio.engines.shared_work import SharedWork
from immich_aio.engines.worker_pool import Lease, WorkerPool
from immich_aio.errors import CancelledWorkError, OverloadedError, UnavailableError

PATIENCE = 20


class Worker:
    """A worker object, for one thread at a time."""


@asynccontextmanager
async def pool_of(
    workers: int, queue_size: int = 4, make_worker: Callable[[], Worker] = Worker
) -> AsyncIterator[WorkerPool[Worker]]:
    pool = WorkerPool(make_worker, workers=workers, queue_size=queue_size, name="test")
    try:
        yield pool
    finally:
        await pool.close()


class Held:
    """Work that begins, waits to be let go, passes a checkpoint, and answers its name."""

    def __init__(self, name: str = "held") -> None:
        self.name = name
        self.begun = threading.Event()
        self.let_go = threading.Event()
        self.passed_checkpoint = False

    def __call__(self, _worker: Worker, lease: Lease[Worker]) -> str:
        self.begun.set()
        assert self.let_go.wait(PATIENCE)
        lease.checkpoint()
        self.passed_checkpoint = True
        return self.name

    async def on(self, pool: WorkerPool[Worker]) -> asyncio.Task[str]:
        """Running on one of the pool's threads."""
        task = asyncio.create_task(pool.run(self))
        await happened(self.begun)
        return task


async def happened(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, PATIENCE)


async def queued(pool: WorkerPool[Worker], work: Callable[..., Any]) -> asyncio.Task[Any]:
    """A caller whose work is in the queue behind work that is held."""
    before = pool.waiting
    task = asyncio.create_task(pool.run(work))
    await asyncio.sleep(0)
    assert pool.waiting == before + 1
    return task


def worker_itself(worker: Worker, _lease: Lease[Worker]) -> Worker:
    return worker


async def nobody_runs(pool: WorkerPool[Worker]) -> None:
    """Wait for threads to come back to the queue, which they do after they have answered."""
    while pool.running:  # noqa: ASYNC110  # the pool has no reason to signal this
        await asyncio.sleep(0)


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_caller_gets_the_result_of_its_work() -> None:
    async with pool_of(2, queue_size=5) as pool:
        works = [Held(f"result {number}") for number in range(5)]
        for work in works:
            work.let_go.set()
        results = await asyncio.gather(*(pool.run(work) for work in works))
    assert results == [work.name for work in works]


async def test_work_runs_beside_the_event_loop_not_on_it() -> None:
    async with pool_of(1) as pool:
        thread = await pool.run(lambda _worker, _lease: threading.get_ident())
    assert thread != threading.get_ident()


async def test_a_worker_object_is_made_on_first_use_and_kept() -> None:
    made: list[Worker] = []

    def make() -> Worker:
        made.append(Worker())
        return made[-1]

    async with pool_of(1, make_worker=make) as pool:
        assert made == []
        assert {await pool.run(worker_itself) for _ in range(3)} == set(made)
    assert len(made) == 1


async def test_no_two_threads_have_one_worker_object() -> None:
    """Three jobs meet at a barrier, so they ran at once."""
    together = threading.Barrier(3, timeout=PATIENCE)

    def meet(worker: Worker, _lease: Lease[Worker]) -> Worker:
        together.wait()
        return worker

    async with pool_of(3) as pool:
        assert len(set(await asyncio.gather(*(pool.run(meet) for _ in range(3))))) == 3


async def test_work_is_done_in_the_order_it_came() -> None:
    order: list[int] = []
    async with pool_of(1, queue_size=5) as pool:
        held = Held()
        first = await held.on(pool)
        rest = [
            await queued(pool, lambda _worker, _lease, number=number: order.append(number))
            for number in range(5)
        ]
        held.let_go.set()
        await asyncio.gather(first, *rest)
    assert order == [0, 1, 2, 3, 4]


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    async with pool_of(1, queue_size=2) as pool:
        held = Held()
        first = await held.on(pool)
        waiting = [await queued(pool, worker_itself) for _ in range(2)]
        with pytest.raises(OverloadedError) as refusal:
            await pool.run(worker_itself)
        assert refusal.value.retry_after >= 1
        assert (pool.running, pool.waiting) == (1, 2)
        held.let_go.set()
        assert await first == "held"
        assert [type(done) for done in await asyncio.gather(*waiting)] == [Worker, Worker]


async def test_the_queue_counts_beside_the_workers_that_are_idle() -> None:
    """Of a burst, as many are taken as can run and wait, though no thread has begun yet."""
    held = Held()
    async with pool_of(2, queue_size=3) as pool:
        tasks = [asyncio.create_task(pool.run(held)) for _ in range(7)]
        await asyncio.sleep(0)
        held.let_go.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, OverloadedError) for outcome in outcomes] == [False] * 5 + [
        True
    ] * 2


async def test_a_queue_has_room_again_when_its_work_is_done() -> None:
    async with pool_of(1, queue_size=1) as pool:
        held = Held()
        tasks = [await held.on(pool), await queued(pool, worker_itself)]
        with pytest.raises(OverloadedError):
            await pool.run(worker_itself)
        held.let_go.set()
        await asyncio.gather(*tasks)
        assert isinstance(await pool.run(worker_itself), Worker)


async def test_work_cancelled_while_it_waits_never_runs() -> None:
    async with pool_of(1) as pool:
        held, never = Held(), Held()
        first = await held.on(pool)
        await cancelled(await queued(pool, never))
        assert pool.waiting == 0
        held.let_go.set()
        await first
        await pool.run(worker_itself)
        assert not never.begun.is_set()


async def test_cancelled_work_makes_room_in_the_queue() -> None:
    async with pool_of(1, queue_size=1) as pool:
        held = Held()
        first = await held.on(pool)
        await cancelled(await queued(pool, worker_itself))
        second = await queued(pool, worker_itself)
        held.let_go.set()
        await asyncio.gather(first, second)


async def test_work_cancelled_while_it_runs_stops_at_its_next_checkpoint() -> None:
    async with pool_of(1) as pool:
        held = Held()
        await cancelled(await held.on(pool))
        held.let_go.set()
        assert isinstance(await pool.run(worker_itself), Worker)
        assert not held.passed_checkpoint


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(3), CancelledWorkError()])
async def test_an_error_reaches_the_caller_and_the_worker_goes_on(error: BaseException) -> None:
    def fail(_worker: Worker, _lease: Lease[Worker]) -> None:
        raise error

    async with pool_of(1) as pool:
        before = await pool.run(worker_itself)
        outcome: list[BaseException] = []
        try:
            await pool.run(fail)
        except BaseException as caught:  # noqa: BLE001  # SystemExit is among what is raised
            outcome.append(caught)
        assert outcome == [error]
        assert await pool.run(worker_itself) is before


async def test_after_a_release_workers_are_made_anew_and_nothing_is_lost() -> None:
    async with pool_of(1) as pool:
        idle = await pool.run(worker_itself)
        pool.release()
        busy = Held()
        running = await busy.on(pool)
        waiting = await queued(pool, worker_itself)
        pool.release()
        busy.let_go.set()
        assert await running == "held"
        second = await waiting
        assert second is not idle
        assert await pool.run(worker_itself) is second


async def test_a_release_while_busy_gives_the_memory_back_after_the_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Trimming is of no use while the worker object is still held by somebody."""
    held, trimmed = Held(), threading.Event()
    alive: list[bool] = []
    workers: list[weakref.ref[Worker]] = []

    def make() -> Worker:
        worker = Worker()
        workers.append(weakref.ref(worker))
        return worker

    def trim() -> None:
        gc.collect()
        alive.append(workers[0]() is not None)
        trimmed.set()

    monkeypatch.setattr(worker_pool, "trim_memory", trim)
    async with pool_of(1, make_worker=make) as pool:
        running = await held.on(pool)
        pool.release()
        held.let_go.set()
        await running
        await happened(trimmed)
    assert alive == [False]


async def test_released_idle_workers_are_gone_at_once() -> None:
    def watched(worker: Worker, _lease: Lease[Worker]) -> weakref.ref[Worker]:
        return weakref.ref(worker)

    async with pool_of(1) as pool:
        worker = await pool.run(watched)
        await nobody_runs(pool)
        pool.release()
        gc.collect()
        assert worker() is None


async def test_closing_finishes_what_runs_and_refuses_what_waits_and_what_comes() -> None:
    pool = WorkerPool(Worker, workers=1, queue_size=4, name="closing")
    held = Held()
    running = await held.on(pool)
    waiting = await queued(pool, worker_itself)
    closing = asyncio.create_task(pool.close())
    with pytest.raises(UnavailableError, match="shutting down"):
        await waiting
    with pytest.raises(UnavailableError, match="shutting down"):
        await pool.run(worker_itself)
    assert not closing.done()
    held.let_go.set()
    assert await running == "held"
    await closing
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("closing")]


async def test_closing_twice_or_before_any_work_is_harmless() -> None:
    pool = WorkerPool(Worker, workers=2, queue_size=1, name="test")
    await pool.close()
    await pool.close()


async def test_a_worker_that_cannot_be_made_is_told_and_tried_again() -> None:
    attempts: list[int] = []

    def make() -> Worker:
        attempts.append(1)
        if len(attempts) <= 2:
            raise UnavailableError("no models here")
        return Worker()

    async with pool_of(1, make_worker=make) as pool:
        for _ in range(2):
            with pytest.raises(UnavailableError, match="no models here"):
                await pool.run(worker_itself)
        assert isinstance(await pool.run(worker_itself), Worker)
    assert len(attempts) == 3


async def test_all_idle_workers_help_the_only_caller() -> None:
    """Four threads meet at a barrier with an item each."""
    together = threading.Barrier(4, timeout=PATIENCE)
    done: list[int] = []

    def do(item: int) -> None:
        together.wait()
        done.append(item)

    def share(_worker: Worker, lease: Lease[Worker]) -> None:
        work = SharedWork(range(4))
        lease.share(lambda _helper: work.help_with(do, lease.others_wait), most=3)
        work.finish(do)

    async with pool_of(4) as pool:
        for _ in range(20):
            done.clear()
            await pool.run(share)
            assert sorted(done) == [0, 1, 2, 3]
            await nobody_runs(pool)


async def test_calls_for_help_are_no_callers_who_wait() -> None:
    """Else the first helper would leave at once for the sake of the other calls."""

    def share(_worker: Worker, lease: Lease[Worker]) -> tuple[bool, int]:
        with lease.pool._changed:  # no helper can begin before this has looked
            lease.share(lambda _helper: None, most=2)
            return lease.others_wait(), lease.pool.waiting

    async with pool_of(3) as pool:
        assert await pool.run(share) == (False, 0)


async def test_an_idle_worker_takes_a_callers_job_before_a_call_for_help() -> None:
    """Two jobs then run on two cores, rather than one job on both."""
    order: list[str] = []
    helped = threading.Event()

    def help_out(_helper: Worker) -> None:
        order.append("helped")
        helped.set()

    def share(_worker: Worker, lease: Lease[Worker]) -> None:
        with lease.pool._changed:  # both come before the idle worker can look
            lease.share(help_out, most=1)
            lease.pool._enqueue(job)
        assert helped.wait(PATIENCE)

    loop = asyncio.get_running_loop()
    async with pool_of(2) as pool:
        caller: asyncio.Future[None] = loop.create_future()
        job = worker_pool._Job(
            lambda _worker, _lease: order.append("caller"), Lease(pool), (loop, caller)
        )
        await asyncio.gather(pool.run(share), caller)
    assert order == ["caller", "helped"]


async def test_helpers_have_worker_objects_of_their_own() -> None:
    helped: list[Worker] = []
    came = threading.Event()

    def help_out(helper: Worker) -> None:
        helped.append(helper)
        came.set()

    def share(worker: Worker, lease: Lease[Worker]) -> Worker:
        lease.share(help_out, most=1)
        assert came.wait(PATIENCE)
        return worker

    async with pool_of(2) as pool:
        owner = await pool.run(share)
    assert len(helped) == 1
    assert helped[0] is not owner


async def test_no_more_workers_help_than_are_asked_for() -> None:
    helped: list[Worker] = []

    def share(_worker: Worker, lease: Lease[Worker]) -> None:
        lease.share(helped.append, most=2)

    async with pool_of(4) as pool:
        await pool.run(share)
        await asyncio.gather(*(pool.run(worker_itself) for _ in range(4)))
        await nobody_runs(pool)
    assert len(helped) <= 2


async def test_only_idle_workers_help() -> None:
    helped: list[Worker] = []

    def share(_worker: Worker, lease: Lease[Worker]) -> None:
        lease.share(helped.append, most=5)

    async with pool_of(2) as pool:
        held = Held()
        other = await held.on(pool)
        await pool.run(share)
        held.let_go.set()
        await other
        await pool.run(worker_itself)
        await nobody_runs(pool)
    assert helped == []


async def test_a_lone_worker_calls_nobody() -> None:
    helped: list[Worker] = []
    async with pool_of(1) as pool:
        await pool.run(lambda _worker, lease: lease.share(helped.append, most=3))
        await pool.run(worker_itself)
    assert helped == []


async def test_helpers_are_told_that_the_next_caller_waits() -> None:
    begun, asked = threading.Event(), threading.Event()

    def look(_worker: Worker, lease: Lease[Worker]) -> tuple[bool, bool]:
        before = lease.others_wait()
        begun.set()
        assert asked.wait(PATIENCE)
        return before, lease.others_wait()

    async with pool_of(1) as pool:
        looking = asyncio.create_task(pool.run(look))
        await happened(begun)
        waiting = await queued(pool, worker_itself)
        asked.set()
        assert await looking == (False, True)
        await waiting


async def test_a_helper_that_fails_is_no_callers_error() -> None:
    failed = threading.Event()

    def fail(_helper: Worker) -> None:
        failed.set()
        raise ValueError("a helper's")

    def share(_worker: Worker, lease: Lease[Worker]) -> str:
        lease.share(fail, most=1)
        assert failed.wait(PATIENCE)
        return "done alone"

    async with pool_of(2) as pool:
        assert await pool.run(share) == "done alone"
        both = await asyncio.gather(pool.run(worker_itself), pool.run(worker_itself))
        assert all(isinstance(worker, Worker) for worker in both)


async def test_a_helpers_worker_that_cannot_be_made_leaves_the_owner_to_do_it_alone() -> None:
    made: list[int] = []
    failed = threading.Event()

    def make() -> Worker:
        made.append(1)
        if len(made) > 1:
            failed.set()
            raise UnavailableError("no memory for a second one")
        return Worker()

    def share(_worker: Worker, lease: Lease[Worker]) -> list[int]:
        done: list[int] = []
        work = SharedWork([1, 2, 3])
        lease.share(lambda _helper: work.help_with(done.append, lease.others_wait), most=1)
        assert failed.wait(PATIENCE)
        work.finish(done.append)
        return done

    async with pool_of(2, make_worker=make) as pool:
        assert await pool.run(share) == [1, 2, 3]


async def test_waiting_time_is_measured_from_the_queue_on() -> None:
    def waited(_worker: Worker, lease: Lease[Worker]) -> float:
        return lease.waited

    async with pool_of(1) as pool:
        held = Held()
        first = await held.on(pool)
        second = await queued(pool, waited)
        held.let_go.set()
        await first
        assert await second > 0


def test_a_result_that_comes_after_its_event_loop_has_closed_is_dropped() -> None:
    pool = WorkerPool(Worker, workers=1, queue_size=1, name="test")
    held = Held()

    async def leave() -> None:
        await cancelled(await held.on(pool))

    async def come_back() -> object:
        return await pool.run(worker_itself)

    asyncio.run(leave())
    held.let_go.set()
    assert isinstance(asyncio.run(come_back()), Worker)
    asyncio.run(pool.close())


async def test_idle_workers_do_not_keep_the_last_result_alive() -> None:
    """An image is tens of megabytes; the queue may stay empty for days."""
    gone = threading.Event()

    def make_result(_worker: Worker, _lease: Lease[Worker]) -> Worker:
        result = Worker()
        weakref.finalize(result, gone.set)
        return result

    async with pool_of(1) as pool:
        assert isinstance(await pool.run(make_result), Worker)
        await happened(gone)

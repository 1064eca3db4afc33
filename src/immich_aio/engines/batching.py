"""A lane: one thread that works off a bounded queue in batches.

Two lanes never wait for each other, so what a person waits for has one of its own.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from immich_aio.engines.batch_plan import BatchLimits, Waiting, WaitUntil, plan_batch
from immich_aio.engines.handover import settle
from immich_aio.errors import OverloadedError, UnavailableError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Result]):
    """A result, and the seconds it waited in the queue and took in its batch."""

    result: Result
    waited: float
    took: float


@dataclass(slots=True, eq=False)
class _Job(Generic[Item, Result]):
    item: Item
    size: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Outcome[Result]]
    queued_at: float = field(default_factory=time.perf_counter)


class Lane(Generic[Item, Result]):
    """``run`` gets the items of one batch and gives as many results in their order.

    ``queue_size`` items may wait beside those being worked on. A failure of a batch is each of its
    items' own: they are tried one by one, so that nobody fails for what another sent.
    """

    def __init__(
        self,
        run: Callable[[list[Item]], Sequence[Result]],
        *,
        limits: BatchLimits,
        queue_size: int,
        name: str,
    ) -> None:
        self._run = run
        self._limits = limits
        self._queue_size = queue_size
        self._name = name
        self._changed = threading.Condition()
        self._waiting: list[_Job[Item, Result]] = []
        self._running = 0
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """Items in the queue."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Items in the batch that is being worked on."""
        return self._running

    async def submit(self, item: Item, size: int = 1) -> Outcome[Result]:
        """The result for one item, whose ``size`` is its cost; see ``BatchLimits``.

        Raises OverloadedError at once when the queue is full, UnavailableError after ``close``. An
        item whose caller is cancelled is dropped, unless its batch has begun.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome[Result]] = loop.create_future()
        job = _Job[Item, Result](item, size, loop, future)
        self._enqueue(job)
        try:
            return await future
        except asyncio.CancelledError:
            self._forget(job)
            raise

    async def close(self) -> None:
        """Refuse what waits, finish what runs, end the thread."""
        with self._changed:
            self._closed = True
            refused, self._waiting = self._waiting, []
            self._changed.notify_all()
        for job in refused:
            self._fail(job, UnavailableError("The service is shutting down; try again."))
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _enqueue(self, job: _Job[Item, Result]) -> None:
        with self._changed:
            if self._closed:
                raise UnavailableError("The service is shutting down; try again.")
            if len(self._waiting) >= self._queue_size:
                raise OverloadedError
            self._waiting.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()

    def _forget(self, job: _Job[Item, Result]) -> None:
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)

    def _serve(self) -> None:
        while batch := self._next_batch():
            self._work_off(batch)
            with self._changed:
                self._running = 0
            batch.clear()  # keep no item alive while waiting

    def _next_batch(self) -> list[_Job[Item, Result]]:
        """Wait for the next batch; none when the lane is closed."""
        with self._changed:
            while not self._closed:
                if not self._waiting:
                    self._changed.wait()
                    continue
                now = time.perf_counter()
                queue = [Waiting(job.size, job.queued_at) for job in self._waiting]
                plan = plan_batch(queue, now, self._limits)
                if isinstance(plan, WaitUntil):
                    self._changed.wait(plan.time - now)
                    continue
                batch = [self._waiting[place] for place in plan.places]
                self._waiting = [job for job in self._waiting if job not in batch]
                self._running = len(batch)
                return batch
            return []

    def _work_off(self, batch: list[_Job[Item, Result]]) -> None:
        started = time.perf_counter()
        try:
            results = self._run([job.item for job in batch])
        except Exception as error:  # noqa: BLE001  # whatever it was, the callers must hear of it
            if len(batch) > 1:
                for job in batch:
                    self._work_off([job])
            else:
                self._fail(batch[0], error)
            return
        took = time.perf_counter() - started
        for job, result in zip(batch, results, strict=True):
            settle(job.loop, job.future, Outcome(result, started - job.queued_at, took))

    def _fail(self, job: _Job[Item, Result], error: BaseException) -> None:
        settle(job.loop, job.future, error)

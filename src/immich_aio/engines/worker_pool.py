"""Worker threads over one bounded queue: a full queue refuses, work nobody waits for is dropped.

Idle workers help a busy one with work that it shares, so that a lone caller, as Immich is with its
default of one OCR job at a time, has all cores too.

A worker object (sessions and scratch memory of one core's inference) is used by one thread at a
time. Inference releases the interpreter lock, so threads keep as many cores busy as there are
workers, and the models' weights are in memory once.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from immich_aio.engines.handover import settle
from immich_aio.engines.memory import trim_memory
from immich_aio.errors import CancelledWorkError, OverloadedError, UnavailableError

Worker = TypeVar("Worker")
Result = TypeVar("Result")


@dataclass(slots=True)
class Lease(Generic[Worker]):
    """What a piece of work knows of its caller, and how it asks other workers for help."""

    pool: WorkerPool[Worker]
    waited: float = 0.0
    """Seconds in the queue."""

    abandoned: threading.Event = field(default_factory=threading.Event)

    def checkpoint(self) -> None:
        """Raises CancelledWorkError when the caller has gone; call between expensive steps."""
        if self.abandoned.is_set():
            raise CancelledWorkError

    def share(self, work: Callable[[Worker], None], most: int) -> None:
        """Have up to ``most`` idle workers do ``work`` as well; it may be that none does.

        ``work`` must cope with being run late or never, and report its own failures.
        """
        self.pool.assist(work, most)

    def others_wait(self) -> bool:
        """Whether helpers should rather begin with the next caller's job."""
        return self.pool.waiting > 0


@dataclass(slots=True, eq=False)
class _Job(Generic[Worker]):
    work: Callable[[Worker, Lease[Worker]], Any]
    lease: Lease[Worker]
    caller: tuple[asyncio.AbstractEventLoop, asyncio.Future[Any]] | None
    queued_at: float = field(default_factory=time.perf_counter)


class WorkerPool(Generic[Worker]):
    """``workers`` threads; ``queue_size`` jobs may wait beside those that run.

    ``setting`` is where the queue's size comes from.
    """

    def __init__(
        self,
        make_worker: Callable[[], Worker],
        *,
        workers: int,
        queue_size: int,
        name: str,
        setting: str = "OCR_QUEUE_SIZE",
    ) -> None:
        self.workers = workers
        self._make_worker = make_worker
        self._queue_size = queue_size
        self._name = name
        self._setting = setting
        self._changed = threading.Condition()
        self._waiting: deque[_Job[Worker]] = deque()
        self._calls_for_help: deque[_Job[Worker]] = deque()
        self._running = 0
        self._free: list[Worker] = []
        self._epoch = 0
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._seconds_per_job = 0.5

    @property
    def waiting(self) -> int:
        """Callers' jobs in the queue."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Jobs that are being worked on."""
        return self._running

    async def run(self, work: Callable[[Worker, Lease[Worker]], Result]) -> Result:
        """The result of ``work`` with one of the workers.

        Raises OverloadedError at once when the queue is full, UnavailableError after ``close``.
        When the caller is cancelled, work that waits is dropped and work that runs stops at its
        next checkpoint.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        job: _Job[Worker] = _Job(work, Lease(self), (loop, future))
        self._enqueue(job)
        try:
            return await future
        except asyncio.CancelledError:
            self._abandon(job)
            raise

    def assist(self, work: Callable[[Worker], None], most: int) -> None:
        """See ``Lease.share``."""
        with self._changed:
            taken = self._running + len(self._waiting) + len(self._calls_for_help)
            for _ in range(min(most, self.workers - taken)):
                job: _Job[Worker] = _Job(lambda worker, _lease: work(worker), Lease(self), None)
                self._calls_for_help.append(job)
                self._changed.notify()

    def release(self) -> None:
        """Drop every worker object: free ones now, busy ones after their job. No job is lost."""
        with self._changed:
            self._epoch += 1
            self._free.clear()

    async def close(self) -> None:
        """Refuse what waits, finish what runs, end the threads."""
        with self._changed:
            self._closed = True
            refused = list(self._waiting)
            self._waiting.clear()
            self._calls_for_help.clear()
            self._changed.notify_all()
        for job in refused:
            _settle(job, UnavailableError("The service is shutting down; try again."))
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._free.clear()

    def _enqueue(self, job: _Job[Worker]) -> None:
        with self._changed:
            if self._closed:
                raise UnavailableError("The service is shutting down; try again.")
            # Callers come before calls for help, so an idle worker is theirs.
            idle = self.workers - self._running
            if len(self._waiting) >= self._queue_size + idle:
                raise self.overloaded()
            self._waiting.append(job)
            self._start_threads()
            self._changed.notify()

    def overloaded(self) -> OverloadedError:
        """What to say to a caller for whom there is no place; come back when half are through."""
        seconds = len(self._waiting) / 2 * self._seconds_per_job / self.workers
        return OverloadedError(
            f"The queue is full; try again in a moment, or raise {self._setting}.",
            retry_after=max(1, math.ceil(seconds)),
        )

    def _start_threads(self) -> None:
        while len(self._threads) < self.workers:
            name = f"{self._name}-{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._serve, name=name, daemon=True))
            self._threads[-1].start()

    def _abandon(self, job: _Job[Worker]) -> None:
        job.lease.abandoned.set()
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            started = time.perf_counter()
            job.lease.waited = started - job.queued_at
            self._do(job)
            with self._changed:
                self._running -= 1
                if job.caller is not None:
                    took = time.perf_counter() - started
                    self._seconds_per_job += 0.1 * (took - self._seconds_per_job)
            job = None  # keep neither the image nor the result alive while waiting

    def _next(self) -> _Job[Worker] | None:
        with self._changed:
            while not (self._waiting or self._calls_for_help or self._closed):
                self._changed.wait()
            queue = self._waiting or self._calls_for_help
            if not queue:
                return None
            self._running += 1
            return queue.popleft()

    def _do(self, job: _Job[Worker]) -> None:
        with self._changed:
            epoch = self._epoch
            worker = self._free.pop() if self._free else None
        try:
            worker = self._make_worker() if worker is None else worker
            job.lease.checkpoint()
            result = job.work(worker, job.lease)
        except BaseException as error:  # noqa: BLE001  # whatever it was, the caller must hear of it
            _settle(job, error)
        else:
            _settle(job, result)
        if worker is not None and not self._kept(worker, epoch):
            worker = None  # the last to hold it, so that its memory can go back
            trim_memory()

    def _kept(self, worker: Worker, epoch: int) -> bool:
        with self._changed:
            if epoch != self._epoch:
                return False
            self._free.append(worker)
            return True


def _settle(job: _Job[Any], outcome: object) -> None:
    """Hand the outcome to the caller's event loop; a helper's work has none."""
    if job.caller is not None:
        settle(*job.caller, outcome)

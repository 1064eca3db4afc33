"""Immich's job queues: BullMQ in Redis, under Immich's prefix, names and options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bullmq import Queue
from redis.asyncio import Redis

PREFIX = "immich_bull"
JOB_OPTIONS = {"attempts": 1, "removeOnComplete": True, "removeOnFail": False}
COUNTED = ("active", "completed", "failed", "delayed", "waiting", "paused")
"""The states of jobs that Immich counts."""


@dataclass(frozen=True, slots=True)
class JobCounts:
    """How many jobs of a queue are in which state."""

    active: int
    completed: int
    failed: int
    delayed: int
    waiting: int
    paused: int

    @property
    def unfinished(self) -> int:
        """Jobs that run or will run."""
        return self.active + self.waiting + self.delayed + self.paused


def job_id(name: str, subject: str) -> str:
    """The id of the job that ``add_once`` adds: the same for the same, so BullMQ takes it once."""
    return f"aio-{name}-{subject}"


class JobQueues:
    """Adds jobs to Immich's queues, and steers them."""

    def __init__(self, redis: str | Redis) -> None:
        self._redis = redis
        self._queues: dict[str, Queue] = {}

    async def add(self, queue: str, name: str, ids: Sequence[str], **data: object) -> None:
        """Queue a job of that name for every id, with what else Immich puts into its data."""
        jobs = [{"name": name, "data": {"id": one, **data}, "opts": JOB_OPTIONS} for one in ids]
        if jobs:
            await self._queue(queue).addBulk(jobs)

    async def add_once(self, queue: str, name: str, ids: Sequence[str]) -> None:
        """Queue a job of that name for every id whose job was not added so and is there still.

        Nothing is left of one that fails: it would keep the next one out.
        """
        options = JOB_OPTIONS | {"removeOnFail": True}
        jobs = [
            {"name": name, "data": {"id": one}, "opts": options | {"jobId": job_id(name, one)}}
            for one in ids
        ]
        if jobs:
            await self._queue(queue).addBulk(jobs)

    async def add_all(self, queue: str, name: str, *, force: bool | None) -> None:
        """Queue the job that queues the jobs of all assets, or of those that miss something."""
        data = {} if force is None else {"force": force}
        await self._queue(queue).add(name, data, JOB_OPTIONS)

    async def counts(self, queue: str) -> JobCounts:
        """How many jobs are in which state."""
        return JobCounts(**await self._queue(queue).getJobCounts(*COUNTED))

    async def is_paused(self, queue: str) -> bool:
        """Whether its jobs wait until ``resume``."""
        return bool(await self._queue(queue).isPaused())

    async def pause(self, queue: str) -> None:
        """Let its jobs wait."""
        await self._queue(queue).pause()

    async def resume(self, queue: str) -> None:
        """Let its jobs run again."""
        await self._queue(queue).resume()

    async def empty(self, queue: str) -> None:
        """Forget the jobs that wait."""
        await self._queue(queue).drain()

    async def clear_failed(self, queue: str) -> None:
        """Forget the jobs that failed."""
        await self._queue(queue).clean(0, 1000, "failed")

    async def close(self) -> None:
        """Close the connections."""
        for queue in self._queues.values():
            await queue.close()
        self._queues.clear()

    def _queue(self, name: str) -> Queue:
        if name not in self._queues:
            self._queues[name] = Queue(name, {"connection": self._redis, "prefix": PREFIX})
        return self._queues[name]

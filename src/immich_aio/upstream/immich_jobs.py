"""Single jobs in Immich's queues: added once each, and looked for until they are gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from immich_aio.errors import UnavailableError
from immich_aio.upstream.bullmq import PREFIX, JobCounts, JobQueues, job_id
from immich_aio.upstream.http import without_password

AT_ONCE = 200
"""Jobs that are written in one go; others get their turn in between."""
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 3.0


class ImmichJobs:
    """Immich's queues at one Redis. Whatever goes wrong there is an UnavailableError."""

    def __init__(self, redis_url: str) -> None:
        self.url = without_password(redis_url)
        self._redis = Redis.from_url(
            redis_url,
            decode_responses=True,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 1),  # once, for a connection that had been idle for too long
        )
        self._queues = JobQueues(self._redis)

    async def add(self, queue: str, name: str, ids: Sequence[str]) -> None:
        """Queue a job for every id that does not have one of ours waiting or running already."""
        left = iter(ids)
        async with self._reached():
            while some := list(islice(left, AT_ONCE)):
                await self._queues.add_once(queue, name, some)
                await asyncio.sleep(0)

    async def unfinished(self, queue: str, name: str, ids: Sequence[str]) -> set[str]:
        """Those ids whose job of ours waits or runs."""
        async with self._reached(), self._redis.pipeline(transaction=False) as asking:
            for one in ids:
                asking.exists(f"{PREFIX}:{queue}:{job_id(name, one)}")
            there = await asking.execute()
        return {one for one, is_there in zip(ids, there, strict=True) if is_there}

    async def counts(self, queue: str) -> JobCounts:
        """How many jobs of a queue are in which state."""
        async with self._reached():
            return await self._queues.counts(queue)

    async def is_paused(self, queue: str) -> bool:
        """Whether somebody paused the queue in Immich."""
        async with self._reached():
            return await self._queues.is_paused(queue)

    async def close(self) -> None:
        """Close the connections."""
        await self._queues.close()
        await self._redis.aclose()

    @asynccontextmanager
    async def _reached(self) -> AsyncIterator[None]:
        """The one seam: our error for those of Redis."""
        try:
            yield
        except (RedisError, OSError) as error:
            raise UnavailableError(
                f"Immich's job queues in Redis at {self.url} cannot be reached ({error}). Check "
                "that Redis runs, and that REDIS_HOSTNAME, REDIS_PORT and REDIS_PASSWORD are as "
                "Immich has them."
            ) from error

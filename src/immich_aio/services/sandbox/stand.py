"""Everything of a miniature that runs: PostgreSQL, Redis, the tables, the API and the workers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from immich_aio.domain.immich import Shape
from immich_aio.errors import InternalError
from immich_aio.services.sandbox.app import Miniature, Parts
from immich_aio.services.sandbox.data import Data
from immich_aio.services.sandbox.embedded.data_folder import DataFolder
from immich_aio.services.sandbox.embedded.postgres import Postgres
from immich_aio.services.sandbox.embedded.redis import Redis
from immich_aio.services.sandbox.library import Library
from immich_aio.services.sandbox.ml import MachineLearning
from immich_aio.services.sandbox.queues import ALL_OF, CLIP, CONCURRENCY
from immich_aio.services.sandbox.recognition import Recognition
from immich_aio.services.sandbox.worker import Worker
from immich_aio.store.database import Database
from immich_aio.upstream.bullmq import JobQueues
from immich_aio.upstream.immich_ml import ImmichMlClient

DATABASE = "immich"
ML_TIMEOUT = 3600.0
"""Immich sets no time-out for machine learning; this is as good as none, in seconds."""


@dataclass(frozen=True, slots=True)
class Stand:
    """A miniature; ``miniature.app`` is to be served, and ``worker`` to be started."""

    folder: DataFolder
    postgres: Postgres
    redis: Redis
    parts: Parts
    miniature: Miniature
    worker: Worker

    def start_worker(self) -> None:
        """Begin to take jobs; owners who are connected hear of their new photos."""
        self.worker.start(self.redis.url, on_ready=self.miniature.announce)

    async def forget_vectors(self) -> None:
        """Forget all vectors, and have them made anew."""
        if await self.parts.data.run("forget_embeddings"):
            await self.parts.queues.add_all(CLIP.queue, ALL_OF[CLIP.queue], force=False)

    async def jobs_left(self) -> int:
        """Jobs that run or wait."""
        counts = [await self.parts.queues.counts(queue) for queue in CONCURRENCY]
        return sum(count.unfinished for count in counts)

    async def failed(self) -> None:
        """Wait for ever, unless PostgreSQL or Redis ends: then raise InternalError."""
        servers = [self.postgres.server, self.redis.server]
        ends = [asyncio.ensure_future(server.ended()) for server in servers]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
        gone = next(server for server in servers if not server.running)
        raise InternalError(f"{gone.command.name} ended unexpectedly; see {gone.log}.")


@asynccontextmanager
async def standing(folder: DataFolder, shape: Shape, gateway: str) -> AsyncIterator[Stand]:
    """A miniature over a data folder, whose machine learning is at ``gateway``.

    Raises UnavailableError where a part cannot start.
    """
    async with contextlib.AsyncExitStack() as stack:
        password, lock = folder.credentials.database, folder.lock
        # Root's PostgreSQL runs as someone else, who must be able to come there.
        place = folder.folder("postgres", passable=True)
        postgres = await Postgres.start(place, password, lock=lock)
        stack.push_async_callback(postgres.server.stop)
        redis = await Redis.start(folder.folder("redis"), password, lock=lock)
        stack.push_async_callback(redis.server.stop)
        await postgres.create_database(DATABASE)
        database = Database(postgres.url(DATABASE), max_connections=20)
        await database.open()
        stack.push_async_callback(database.close)
        data = Data(database, shape)
        await data.create_tables()
        queues = JobQueues(redis.url)
        stack.push_async_callback(queues.close)
        ml = MachineLearning(ImmichMlClient(gateway, ML_TIMEOUT, name="The gateway"))
        stack.push_async_callback(ml.close)
        library = Library(folder.folder("library"), data, queues)
        parts = Parts(data, library, queues, ml)
        worker = Worker(data, library, queues, Recognition(data, ml))
        stack.push_async_callback(worker.close)
        yield Stand(folder, postgres, redis, parts, Miniature(parts), worker)

"""One Redis for all tests of services, and a fresh miniature for whoever asks for one."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest_asyncio

from immich_aio.domain.immich import Shape
from immich_aio.services.sandbox.embedded.postgres import Postgres
from immich_aio.services.sandbox.embedded.redis import Redis
from tests.integration.conftest import PASSWORD
from tests.integration.services.sandbox.mini import Mini, miniature
from tests.integration.services.sandbox.ml_server import MlServer, ml_server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis(open_folder: Path) -> AsyncIterator[Redis]:
    """A server; whoever uses it empties it first. Another folder of tests may have its own."""
    folder = Path(tempfile.mkdtemp(prefix="redis-", dir=open_folder))
    server = await Redis.start(folder, PASSWORD)
    yield server
    await server.server.stop()


@pytest_asyncio.fixture
async def ml() -> AsyncIterator[MlServer]:
    """Machine learning that answers as it is told."""
    async with ml_server() as server:
        yield server


@pytest_asyncio.fixture
async def mini(
    postgres: Postgres, redis: Redis, ml: MlServer, shape: Shape, tmp_path: Path
) -> AsyncIterator[Mini]:
    """An empty miniature of either shape, served on a port of its own."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(miniature(postgres, redis, ml, shape, tmp_path))


@pytest_asyncio.fixture
async def newest(
    postgres: Postgres, redis: Redis, ml: MlServer, tmp_path: Path
) -> AsyncIterator[Mini]:
    """An empty miniature of 3.1."""
    async with AsyncExitStack() as stack:
        made = miniature(postgres, redis, ml, Shape.V3_1, tmp_path)
        yield await stack.enter_async_context(made)

"""One PostgreSQL and one Redis for all tests of the sandbox, and a fresh miniature for each."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from immich_aio.domain.immich import Shape
from immich_aio.services.sandbox.data import Data
from immich_aio.services.sandbox.embedded.postgres import Postgres
from immich_aio.services.sandbox.embedded.redis import Redis
from immich_aio.store.database import Database
from tests.integration.services.sandbox.mini import Mini, miniature
from tests.integration.services.sandbox.ml_server import MlServer, ml_server

PASSWORD = "only-for-tests"  # noqa: S105


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder into which root's PostgreSQL, which does not run as root, can come."""
    folder = Path(tempfile.mkdtemp(prefix="sandbox-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres(open_folder: Path) -> AsyncIterator[Postgres]:
    """A server with an empty database of each shape, to be copied."""
    folder = open_folder / "postgres"
    folder.mkdir()
    server = await Postgres.start(folder, PASSWORD, settings={"fsync": "off"})
    for shape in Shape:
        await server.create_database(template(shape))
        database = Database(server.url(template(shape)), max_connections=1)
        await database.open()
        await Data(database, shape).create_tables()
        await database.close()
    yield server
    await server.server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis(open_folder: Path) -> AsyncIterator[Redis]:
    """A server; whoever uses it empties it first."""
    folder = open_folder / "redis"
    folder.mkdir()
    server = await Redis.start(folder, PASSWORD)
    yield server
    await server.server.stop()


@pytest.fixture(params=list(Shape), ids=lambda shape: f"Immich {shape.value}")
def shape(request: pytest.FixtureRequest) -> Shape:
    """Both shapes, one after the other."""
    found = request.param
    assert isinstance(found, Shape)
    return found


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


def template(shape: Shape) -> str:
    """The name of the database that is copied."""
    return f"empty_{shape.value.replace('.', '_')}"

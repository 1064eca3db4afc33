"""One PostgreSQL for all tests, with an empty database of each shape of Immich to be copied."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from immich_aio.domain.immich import Shape
from immich_aio.services.sandbox.data import Data
from immich_aio.services.sandbox.embedded.postgres import Postgres
from immich_aio.store.database import Database

PASSWORD = "only-for-tests"  # noqa: S105


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


@pytest.fixture(params=list(Shape), ids=lambda shape: f"Immich {shape.value}")
def shape(request: pytest.FixtureRequest) -> Shape:
    """Both shapes, one after the other."""
    found = request.param
    assert isinstance(found, Shape)
    return found


@pytest_asyncio.fixture
async def database(postgres: Postgres, shape: Shape) -> AsyncIterator[Database]:
    """A database of Immich's of either shape, without assets."""
    async with fresh_database(postgres, shape) as made:
        yield made


@asynccontextmanager
async def fresh_database(postgres: Postgres, shape: Shape) -> AsyncIterator[Database]:
    """A database of Immich's, without assets, open."""
    name = f"immich_{uuid4().hex}"
    await postgres.create_database(name, template(shape))
    database = Database(postgres.url(name))
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def template(shape: Shape) -> str:
    """The name of the database that is copied."""
    return f"empty_{shape.value.replace('.', '_')}"

"""Immich's database as the settings name it, or what to do where it cannot be used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from immich_aio.errors import UnavailableError
from immich_aio.settings import Settings
from immich_aio.store.database import Database
from immich_aio.store.immich_guard import ImmichTables, immich_tables

PATIENCE = 10
"""Seconds in which the server must answer."""
_REMEDIES = {
    "password": "Check DB_USERNAME and DB_PASSWORD (or DB_URL): Immich has them in its own .env.",
    "role": "Check DB_USERNAME (or DB_URL).",
    "database": "Check DB_DATABASE_NAME (or the end of DB_URL).",
    "host": "Check DB_HOSTNAME and DB_PORT (or DB_URL), and that the database runs and lets this "
    "machine in: Immich's compose file publishes no port of it.",
}


@asynccontextmanager
async def immich_database(settings: Settings) -> AsyncIterator[tuple[Database, ImmichTables]]:
    """The open database and what its tables are like. Raises UnavailableError."""
    async with connected(settings) as database:
        yield database, await immich_tables(database)


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Database]:
    """The open database, whatever is in it. Raises UnavailableError."""
    url = settings.database_url
    if url is None:
        raise UnavailableError(
            "No database is set. Set DB_HOSTNAME and DB_PASSWORD as Immich has them, or DB_URL, "
            "such as DB_URL=postgresql://postgres:password@localhost:5432/immich."
        )
    await _try(url)
    database = Database(url, gives_way=True)
    try:
        await database.open()
        yield database
    finally:
        await database.close()


async def _try(url: str) -> None:
    """Connect once: a pool would try for long, and then not say what is wrong."""
    try:
        connection = await psycopg.AsyncConnection.connect(url, connect_timeout=PATIENCE)
        await connection.close()
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        raise UnavailableError(
            f"Immich's database cannot be used: {said}. {_remedy(said)}"
        ) from error


def _remedy(said: str) -> str:
    """What to do, by what PostgreSQL or its library said."""
    if "password" in said:
        return _REMEDIES["password"]
    if "does not exist" in said:
        return _REMEDIES["role" if 'role "' in said else "database"]
    return _REMEDIES["host"]

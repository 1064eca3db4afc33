"""The schema ``immich_aio``, brought to the newest form by numbered files.

Everything of ours in Immich's database is in that schema. A file that was released is never
changed; a change of the schema is another file.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import LiteralString

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from immich_aio.domain.immich import Shape
from immich_aio.errors import InternalError, UnavailableError
from immich_aio.store.database import Database
from immich_aio.store.named_sql import NamedSql

_SQL = NamedSql(resources.files(__package__) / "migration.sql", Shape.V3_1)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step from a form of the schema to the next."""

    number: int
    sql: LiteralString
    """Literal as far as injection goes: it is a file of this package."""


def migrations() -> list[Migration]:
    """All steps, in order. Raises InternalError where a number is missing or given twice."""
    folder = resources.files(__package__) / "migrations"
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    found = [
        Migration(int(name.partition("_")[0]), (folder / name).read_text("utf-8")) for name in files
    ]
    if [one.number for one in found] != list(range(1, len(found) + 1)):
        raise InternalError(f"The migrations are not numbered one by one: {', '.join(files)}.")
    return found


async def migrate(database: Database) -> None:
    """Bring the schema to the newest form, making it where there is none.

    Each step is one transaction under a lock, so processes that start together wait for each
    other. Raises UnavailableError where the schema is of a newer version of this program.
    """
    steps = migrations()
    async with database.connection() as connection:
        while await _current(connection) != len(steps):
            async with connection.transaction():
                await connection.execute(_SQL["have_patience"])
                await connection.execute(_SQL["lock"])
                current = await _current(connection)
                if current > len(steps):
                    raise UnavailableError(
                        f"The schema immich_aio in Immich's database has form {current}, and this "
                        f"immich-aio knows {len(steps)}: a newer version has been here. Update "
                        "immich-aio, or run 'immich-aio index drop' with the newer one."
                    )
                if current < len(steps):
                    await _take(connection, steps[current])


async def _current(connection: AsyncConnection[DictRow]) -> int:
    """The number of the newest step that was taken; 0 before the first."""
    if await (await connection.execute(_SQL["has_steps"])).fetchone() is None:
        return 0
    row = await (await connection.execute(_SQL["current"])).fetchone()
    return 0 if row is None else int(row["number"])


async def _take(connection: AsyncConnection[DictRow], step: Migration) -> None:
    if step.number == 1:
        await connection.execute(_SQL["make_schema"])
        await connection.execute(_SQL["make_steps"])
    await connection.execute(step.sql)
    await connection.execute(_SQL["taken"], {"number": step.number})

"""An index over the vectors beside the texts, where there are so many that to score each is slow.

Where a word is in very many texts, they are looked at in the order of their meaning. Immich's own
index could give that order too, but four of five photos there have no text, and those that have one
lie so far from the middle that many are passed over.
"""

from __future__ import annotations

from importlib import resources

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from immich_aio.domain.immich import Shape
from immich_aio.domain.search_plan import SCANNED
from immich_aio.store.immich_guard import ImmichTables
from immich_aio.store.named_sql import NamedSql

TEXTS = SCANNED
"""Texts from which on there is such an index: below, no word is in enough of them."""
_SQL = NamedSql(resources.files(__package__) / "meaning_index.sql", Shape.V3_1)
DIMENSIONS = _SQL["dimensions"]
"""SQL: the length of the vectors that there is such an index over."""
_STATE = _SQL["state"].format(dimensions=DIMENSIONS)


async def keep_meaning_index(connection: AsyncConnection[DictRow], tables: ImmichTables) -> bool:
    """Make the index where it is missing or of another length; whether it was made now.

    That takes minutes, while which nobody else can write texts: for whoever holds the lock of
    ``TextIndex``, outside any transaction.
    """
    if not (tables.half_vectors and tables.iterative_scan):
        return False
    row = await (await connection.execute(_STATE)).fetchone()
    if row is None or row["texts"] <= TEXTS or row["dimensions"] == tables.dimensions:
        return False
    async with connection.transaction():
        await connection.execute(_SQL["settings"])
        await connection.execute(_SQL["drop"])
        made = _SQL["make"].format(dimensions=tables.dimensions)
        await connection.execute(made.encode())
    return True

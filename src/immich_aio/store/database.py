"""A pool of connections to one PostgreSQL database."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, LiteralString
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from immich_aio.errors import InternalError

_NOTICE = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""A server that is gone without a word is noticed after a minute, not after hours."""
GIVES_WAY = "-c lock_timeout=500ms"
"""While Immich changes its tables it holds all locks on them. Of whoever waits for those, and holds
one that it wants, and Immich, PostgreSQL ends either after a second, which must not be Immich."""

_EXPORT: LiteralString = "SELECT pg_export_snapshot() AS name"


class Database:
    """Connections whose rows are dictionaries by column name; times are in UTC, as Immich's are.

    Compiling queries (jit) is off: it takes longer than any query of ours.
    """

    def __init__(
        self,
        url: str,
        max_connections: int = 10,
        patience: float = 30.0,
        believed: float = 0.0,
        *,
        gives_way: bool = False,
    ) -> None:
        """``patience`` is how many seconds anybody waits for a connection.

        A connection that was used in the last ``believed`` seconds is given out without a look at
        whether it still works, which takes a round trip. Who ``gives_way`` waits for locks of
        others for a moment only, and raises psycopg's LockNotAvailable then.
        """
        self.url = url
        self._believed = believed
        self._used: WeakKeyDictionary[object, float] = WeakKeyDictionary()
        self._pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
            url,
            min_size=min(2, max_connections),  # for beside()
            max_size=max_connections,
            timeout=patience,
            open=False,
            check=self._check,
            kwargs={
                "row_factory": dict_row,
                "autocommit": True,
                "options": f"-c timezone=UTC -c jit=off {GIVES_WAY if gives_way else ''}",
                **_NOTICE,
            },
        )

    async def _check(self, connection: AsyncConnection[DictRow]) -> None:
        if time.monotonic() - self._used.get(connection, -math.inf) > self._believed:
            await AsyncConnectionPool.check_connection(connection)

    async def open(self) -> None:
        """Connect; raises psycopg's errors where that is not possible."""
        await self._pool.open(wait=True, timeout=self._pool.timeout)

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[DictRow]]:
        """One connection for a while; every statement commits unless inside a transaction."""
        async with self._pool.connection() as connection:
            yield connection
            self._used[connection] = time.monotonic()

    @asynccontextmanager
    async def snapshot(self, settings: LiteralString) -> AsyncIterator[AsyncConnection[DictRow]]:
        """One connection whose statements all see the same state of the database, and only read.

        ``settings`` are statements, SET LOCAL, that go in the same round trip as BEGIN.
        """
        async with self.connection() as connection:
            begin: LiteralString = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
            try:
                await connection.execute(begin + settings)
                yield connection
            except BaseException:
                if not connection.closed:
                    await connection.rollback()
                raise
            await connection.commit()  # for rollback() forgets all prepared statements

    @asynccontextmanager
    async def beside(
        self, connection: AsyncConnection[DictRow], settings: LiteralString
    ) -> AsyncIterator[AsyncConnection[DictRow] | None]:
        """Another connection that sees the same state as a snapshot's; None if none is idle."""
        if not self._pool.get_stats()["pool_available"]:
            yield None
            return
        row = await (await connection.execute(_EXPORT)).fetchone()
        if row is None:
            raise InternalError("PostgreSQL exported no snapshot.")
        same: LiteralString = f"SET TRANSACTION SNAPSHOT {_quoted(row['name'])}; "
        async with self.snapshot(same + settings) as other:
            yield other

    async def rows(self, sql: LiteralString, **parameters: Any) -> list[DictRow]:  # noqa: ANN401  # what SQL takes
        """All rows of a query."""
        async with self.connection() as connection:
            cursor = await connection.execute(sql, parameters)
            return await cursor.fetchall()

    async def row(self, sql: LiteralString, **parameters: Any) -> DictRow | None:  # noqa: ANN401  # as above
        """The first row of a query, or None."""
        async with self.connection() as connection:
            cursor = await connection.execute(sql, parameters)
            return await cursor.fetchone()

    async def run(self, sql: LiteralString, **parameters: Any) -> int:  # noqa: ANN401  # as above
        """Run a statement; how many rows it touched."""
        async with self.connection() as connection:
            return (await connection.execute(sql, parameters)).rowcount


def _quoted(name: str) -> LiteralString:
    """A name of PostgreSQL's own as it stands in SQL."""
    return "'" + name.replace("'", "''") + "'"

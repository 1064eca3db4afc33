"""The miniature's database: made in one shape, asked by name."""

from __future__ import annotations

from importlib import resources
from typing import Any

from psycopg.rows import DictRow

from immich_aio.domain.immich import Shape
from immich_aio.store.database import Database
from immich_aio.store.named_sql import NamedSql

SQL = resources.files(__package__) / "sql"


class Data:
    """The tables of one shape, and the queries over them."""

    def __init__(self, database: Database, shape: Shape) -> None:
        self.database = database
        self.shape = shape
        self.sql = NamedSql(SQL / "queries.sql", shape)

    async def rows(self, query: str, **parameters: Any) -> list[DictRow]:  # noqa: ANN401  # what SQL takes
        """All rows of a named query."""
        return await self.database.rows(self.sql[query], **parameters)

    async def row(self, query: str, **parameters: Any) -> DictRow | None:  # noqa: ANN401  # as above
        """The first row of a named query."""
        return await self.database.row(self.sql[query], **parameters)

    async def run(self, statement: str, **parameters: Any) -> int:  # noqa: ANN401  # as above
        """Run a named statement; how many rows it touched."""
        return await self.database.run(self.sql[statement], **parameters)

    async def create_tables(self) -> None:
        """Make the tables, all or none, where there are none yet."""
        files = ["tables.sql", *(["tables_2_2.sql"] if self.shape is Shape.V2_2 else [])]
        async with self.database.connection() as connection, connection.transaction():
            cursor = await connection.execute("SELECT to_regclass('asset_ocr') AS made")
            if (row := await cursor.fetchone()) and row["made"]:
                return
            for file in files:
                await connection.execute((SQL / file).read_text("utf-8"))

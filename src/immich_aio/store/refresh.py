"""Photos that are to be read or encoded again, in Immich's tables: whose, whether, and when it was.

The tables are only read, and only what 2.2 and 3.1 both have.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import DictRow, dict_row

from immich_aio.domain.immich import Shape
from immich_aio.domain.refresh import Marks, Refresh, Subject
from immich_aio.errors import UnavailableError
from immich_aio.store.named_sql import NamedSql

_SQL = NamedSql(resources.files(__package__) / "refresh.sql", Shape.V3_1)
_MARKS = {Refresh.OCR: "marks_ocr", Refresh.SMART_SEARCH: "marks_smart_search"}


PATIENCE = 3
"""Seconds in which the database must let us in."""


class Subjects:
    """The photos and videos of one Immich's database.

    Somebody asks now and then, so every question has a connection of its own, and none is kept.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    async def owned(self, ids: Iterable[UUID], owner: UUID, *, elevated: bool) -> list[Subject]:
        """Those of which the owner may have it done, by Immich's rule for ``asset.update``.

        Raises UnavailableError where the database cannot be asked.
        """
        rows = await self._rows(_SQL["subjects"], ids=list(ids), owner=owner, elevated=elevated)
        return [Subject(row["id"], row["hidden"], row["previews"], row["unedited"]) for row in rows]

    async def marks(self, refresh: Refresh, ids: Iterable[UUID]) -> Marks:
        """What stands there now of when it was done; those are missing of which it never was.

        Raises as ``owned``.
        """
        rows = await self._rows(_SQL[_MARKS[refresh]], ids=list(ids))
        return {row["id"]: row["mark"] for row in rows}

    async def _rows(self, sql: LiteralString, **values: Any) -> list[DictRow]:  # noqa: ANN401  # what SQL takes
        try:
            async with await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, connect_timeout=PATIENCE, row_factory=dict_row
            ) as connection:
                return await (await connection.execute(sql, values)).fetchall()
        except psycopg.Error as error:
            said = " ".join(str(error).split())
            raise UnavailableError(
                f"Immich's database cannot tell whose photos these are: {said}. Check that it "
                "runs, and DB_HOSTNAME and DB_PASSWORD."
            ) from error

"""Photos that are to be read or encoded again, in Immich's tables: whose, whether, and when it was.

The tables are only read, and only what 2.2 and 3.1 both have.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from uuid import UUID

from immich_aio.domain.immich import Shape
from immich_aio.domain.refresh import Marks, Refresh, Subject
from immich_aio.store.database import Database
from immich_aio.store.named_sql import NamedSql

_SQL = NamedSql(resources.files(__package__) / "refresh.sql", Shape.V3_1)
_MARKS = {Refresh.OCR: "marks_ocr", Refresh.SMART_SEARCH: "marks_smart_search"}


class Subjects:
    """The photos and videos of one Immich's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def owned(self, ids: Iterable[UUID], owner: UUID, *, elevated: bool) -> list[Subject]:
        """Those of which the owner may have it done, by Immich's rule for ``asset.update``."""
        rows = await self._database.rows(
            _SQL["subjects"], ids=list(ids), owner=owner, elevated=elevated
        )
        return [
            Subject(row["id"], row["hidden"], row["previews"], row["unedited"]) for row in rows
        ]

    async def marks(self, refresh: Refresh, ids: Iterable[UUID]) -> Marks:
        """What stands there now of when it was done; those are missing of which it never was."""
        rows = await self._database.rows(_SQL[_MARKS[refresh]], ids=list(ids))
        return {row["id"]: row["mark"] for row in rows}

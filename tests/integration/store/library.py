"""A library of Immich's for tests: what Immich itself writes when photos come, are read, and go."""

from __future__ import annotations

from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from immich_aio.domain.immich import Shape
from immich_aio.store.database import Database

Line = str | tuple[str, float]
"""A text, or a text and its score."""

_ADD = """
INSERT INTO asset (id, "ownerId", type, "originalPath", "originalFileName", "fileCreatedAt",
  "fileModifiedAt", "localDateTime", checksum, "checksumAlgorithm")
VALUES (%s, %s, 'IMAGE', '/p', 'p.jpg', now(), now(), now(), %s, 'sha1')
"""
_ADD_2_2 = """
INSERT INTO asset (id, "ownerId", type, "originalPath", "originalFileName", "fileCreatedAt",
  "fileModifiedAt", "localDateTime", checksum, "deviceAssetId", "deviceId")
VALUES (%s, %s, 'IMAGE', '/p', 'p.jpg', now(), now(), now(), %s, 'd', 'd')
"""


class Library:
    """One user's photos, as rows of Immich's tables."""

    def __init__(self, database: Database, shape: Shape) -> None:
        self.database = database
        self.shape = shape
        self._user: UUID | None = None

    async def add(self, *lines: Line, read: bool = True) -> UUID:
        """A photo, and what is read on it."""
        asset_id = uuid4()
        async with self.database.connection() as connection, connection.transaction():
            await self._add_asset(connection, asset_id)
            if read:
                await self.read(connection, asset_id, *lines)
        return asset_id

    async def read_again(self, asset_id: UUID, *lines: Line) -> None:
        """OCR has run once more."""
        async with self.database.connection() as connection, connection.transaction():
            await self.read(connection, asset_id, *lines)

    async def read(
        self, connection: AsyncConnection[DictRow], asset_id: UUID, *lines: Line
    ) -> None:
        """What Immich writes after OCR, over a connection of the caller's."""
        await connection.execute('DELETE FROM asset_ocr WHERE "assetId" = %s', [asset_id])
        for number, line in enumerate(lines):
            text, score = line if isinstance(line, tuple) else (line, 0.9)
            top = number / 10
            await connection.execute(
                'INSERT INTO asset_ocr ("assetId", x1, y1, x2, y2, x3, y3, x4, y4, "boxScore", '
                '"textScore", text) VALUES (%s, 0, %s, 1, %s, 1, %s, 0, %s, 0.9, %s, %s)',
                [asset_id, top, top, top + 0.1, top + 0.1, score, text],
            )
        await connection.execute(
            'INSERT INTO asset_job_status ("assetId", "ocrAt") VALUES (%s, clock_timestamp()) '
            'ON CONFLICT ("assetId") DO UPDATE SET "ocrAt" = excluded."ocrAt"',
            [asset_id],
        )

    async def run(self, sql: str, *parameters: object) -> None:
        """Any other statement."""
        async with self.database.connection() as connection:
            await connection.execute(sql, parameters)  # type: ignore[arg-type]  # a test's own

    async def _add_asset(self, connection: AsyncConnection[DictRow], asset_id: UUID) -> None:
        sql = _ADD if self.shape is Shape.V3_1 else _ADD_2_2
        owner = await self._owner(connection)
        await connection.execute(sql, [asset_id, owner, asset_id.bytes])

    async def _owner(self, connection: AsyncConnection[DictRow]) -> UUID:
        if self._user is None:
            cursor = await connection.execute(
                'INSERT INTO "user" (email) VALUES (%s) RETURNING id', [f"{uuid4()}@example.com"]
            )
            row = await cursor.fetchone()
            assert row is not None
            self._user = row["id"]
        return self._user

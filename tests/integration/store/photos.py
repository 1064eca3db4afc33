"""A whole library of Immich's in Python, written into its tables at once; both shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from immich_aio.domain.immich import AssetType, Shape, Visibility
from immich_aio.store.database import Database

DIMENSIONS = 512
DAY = datetime(2026, 5, 1, 12, tzinfo=UTC)
Vector = NDArray[np.float32]


@dataclass
class Photo:
    """An asset and everything about it that searches look at."""

    id: UUID
    owner: UUID
    lines: list[tuple[str, float]] = field(default_factory=list)
    """Visible ones, and how sure OCR was."""
    hidden_lines: list[str] = field(default_factory=list)
    vector: Vector | None = None
    taken: datetime = DAY
    type: AssetType = AssetType.IMAGE
    visibility: Visibility = Visibility.TIMELINE
    deleted: datetime | None = None
    is_favorite: bool = False
    is_offline: bool = False
    is_stacked: bool = False
    exif: dict[str, Any] | None = None
    """None where Immich has not read any."""
    albums: set[UUID] = field(default_factory=set)
    tags: set[UUID] = field(default_factory=set)
    persons: set[UUID] = field(default_factory=set)
    gone_persons: set[UUID] = field(default_factory=set)
    """Whose faces were removed."""


@dataclass
class World:
    """Users, photos, and what photos are put into."""

    users: list[UUID]
    photos: list[Photo]
    albums: list[UUID] = field(default_factory=list)
    tags: dict[UUID, UUID | None] = field(default_factory=dict)
    """Tags with their parents, which come before them."""
    persons: list[UUID] = field(default_factory=list)
    stack: UUID | None = None

    def ancestors(self, tag: UUID) -> set[UUID]:
        """A tag and all above it."""
        found = {tag}
        while (parent := self.tags[tag]) is not None:
            found.add(parent)
            tag = parent
        return found


def spelled(vector: Iterable[float]) -> str:
    """A vector as pgvector reads it."""
    return "[" + ",".join(repr(float(number)) for number in vector) + "]"


async def write(database: Database, shape: Shape, world: World) -> None:
    """Write everything, in one transaction."""
    writer = _Writer(shape, world)
    async with database.connection() as connection, connection.transaction():
        for table, columns, rows in writer.tables():
            await _insert(connection, table, columns, rows)
        if world.stack is not None:
            stacked = [photo for photo in world.photos if photo.is_stacked]
            await _insert(
                connection,
                "stack",
                ["id", "primaryAssetId", "ownerId"],
                [(world.stack, stacked[0].id, stacked[0].owner)],
            )
            await connection.execute(
                'UPDATE asset SET "stackId" = %s WHERE id = any(%s)',
                [world.stack, [photo.id for photo in stacked]],
            )


async def _insert(
    connection: AsyncConnection[DictRow],
    table: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
) -> None:
    names = ", ".join(f'"{column}"' for column in columns)
    async with connection.cursor().copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
        for row in rows:
            await copy.write_row(row)


_Table = tuple[str, list[str], list[Sequence[object]]]


class _Writer:
    """Rows of each table."""

    def __init__(self, shape: Shape, world: World) -> None:
        self._new = shape is Shape.V3_1
        self._world = world

    def tables(self) -> list[_Table]:
        return [
            ("user", ["id", "email"], [(one, f"{one}@example.com") for one in self._world.users]),
            self._assets(),
            self._exif(),
            self._lines(),
            self._vectors(),
            *self._put_into(),
            *self._persons(),
        ]

    def _assets(self) -> _Table:
        columns = [
            *("id", "ownerId", "type", "originalPath", "originalFileName", "fileCreatedAt"),
            *("fileModifiedAt", "localDateTime", "createdAt", "checksum", "visibility"),
            *("deletedAt", "isFavorite", "isOffline"),
            *(["checksumAlgorithm"] if self._new else ["deviceAssetId", "deviceId"]),
        ]

        def row(photo: Photo) -> Sequence[object]:
            taken = photo.taken
            name = f"{photo.id}.jpg"
            return (
                *(photo.id, photo.owner, photo.type.value, f"/photos/{name}", name),
                *(taken, taken, taken, taken, photo.id.bytes, photo.visibility.value),
                *(photo.deleted, photo.is_favorite, photo.is_offline),
                *(["sha1"] if self._new else ["d", "d"]),
            )

        return "asset", columns, self._each(row)

    def _exif(self) -> _Table:
        names = ["city", "state", "country", "make", "model", "lensModel", "rating"]
        rows: list[Sequence[object]] = [
            (photo.id, *(photo.exif.get(name) for name in names))
            for photo in self._world.photos
            if photo.exif is not None
        ]
        return "asset_exif", ["assetId", *names], rows

    def _lines(self) -> _Table:
        corners = [f"{axis}{corner}" for corner in "1234" for axis in "xy"]
        columns = ["assetId", *corners, "boxScore", "textScore", "text"]
        columns += ["isVisible"] if self._new else []
        rows: list[Sequence[object]] = []
        for photo in self._world.photos:
            lines = [(text, score, True) for text, score in photo.lines]
            if self._new:
                lines += [(text, 1.0, False) for text in photo.hidden_lines]
            for text, score, visible in lines:
                seen = [visible] if self._new else []
                rows.append((photo.id, *([0] * 8), 1, score, text, *seen))
        return "asset_ocr", columns, rows

    def _vectors(self) -> _Table:
        rows: list[Sequence[object]] = [
            (photo.id, spelled(photo.vector))
            for photo in self._world.photos
            if photo.vector is not None
        ]
        return "smart_search", ["assetId", "embedding"], rows

    def _put_into(self) -> list[_Table]:
        world, s = self._world, "" if self._new else "s"
        owner = world.users[0]
        album_owner = [] if self._new else ["ownerId"]
        closure = [(above, tag) for tag in world.tags for above in world.ancestors(tag)]
        return [
            (
                "album",
                ["id", *album_owner],
                [(one, *([] if self._new else [owner])) for one in world.albums],
            ),
            ("album_asset", [f"album{s}Id", f"asset{s}Id"], self._pairs(lambda one: one.albums)),
            (
                "tag",
                ["id", "userId", "value", "parentId"],
                [(tag, owner, str(tag), above) for tag, above in world.tags.items()],
            ),
            ("tag_closure", ["id_ancestor", "id_descendant"], list(closure)),
            ("tag_asset", [f"tag{s}Id", f"asset{s}Id"], self._pairs(lambda one: one.tags)),
        ]

    def _persons(self) -> list[_Table]:
        world = self._world
        faces: list[Sequence[object]] = []
        for photo in world.photos:
            faces += [(photo.id, person, None) for person in photo.persons]
            faces += [(photo.id, person, DAY) for person in photo.gone_persons]
        return [
            ("person", ["id", "ownerId"], [(one, world.users[0]) for one in world.persons]),
            ("asset_face", ["assetId", "personId", "deletedAt"], faces),
        ]

    def _pairs(self, ids: Callable[[Photo], set[UUID]]) -> list[Sequence[object]]:
        return [(one, photo.id) for photo in self._world.photos for one in sorted(ids(photo))]

    def _each(self, row: Callable[[Photo], Sequence[object]]) -> list[Sequence[object]]:
        return [row(photo) for photo in self._world.photos]

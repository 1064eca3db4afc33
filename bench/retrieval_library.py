"""The set in Immich's own tables, in a PostgreSQL that is gone afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from bench.retrieval_set import PhotoRecord
from immich_aio.domain.asset_search import AssetFilters, MetadataSearch, SearchScope
from immich_aio.domain.immich import AssetType, Shape, Visibility
from immich_aio.domain.tokens import search_tokens
from immich_aio.services.sandbox.data import SQL, Data
from immich_aio.services.sandbox.embedded.postgres import Postgres
from immich_aio.store.asset_search import AssetQueries
from immich_aio.store.database import Database
from immich_aio.store.named_sql import NamedSql

SHAPE = Shape.V3_1
DEPTH = 100
"""How many results are asked for: more than the fifty that count, for some are unjudged."""
_NAME = "retrieval"
_HAS_ZHPARSER = "SELECT FROM pg_available_extensions WHERE name = 'zhparser'"
"""The wheel's server does not, but it can be put into it."""


@dataclass(frozen=True, slots=True)
class RetrievalLibrary:
    """A database with the photos of the set, all of one user."""

    database: Database
    user_id: UUID

    async def native(self, query: str) -> list[UUID]:
        """What Immich's own search by OCR text finds, newest first as it shows it."""
        search = MetadataSearch(filters=AssetFilters(ocr=query), size=DEPTH)
        scope = SearchScope(user_ids=(self.user_id,), elevated=False)
        async with self.database.connection() as connection:
            rows = await AssetQueries(SHAPE).by_date(connection, search, scope)
        return [UUID(str(row["id"])) for row in rows[:DEPTH]]


@contextlib.asynccontextmanager
async def library(photos: list[PhotoRecord]) -> AsyncIterator[RetrievalLibrary]:
    """A server of its own with the photos in it; both are gone on leaving."""
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(_open_folder())
        server = await Postgres.start(folder, secrets.token_hex(8), settings={"fsync": "off"})
        stack.push_async_callback(server.server.stop)
        await server.create_database(_NAME)
        database = Database(server.url(_NAME))
        await database.open()
        stack.push_async_callback(database.close)
        if await database.row(_HAS_ZHPARSER) is not None:
            await database.run("CREATE EXTENSION zhparser")
        yield RetrievalLibrary(database, await _fill(Data(database, SHAPE), photos))


@contextlib.contextmanager
def _open_folder() -> Iterator[Path]:
    """A folder into which root's PostgreSQL, which does not run as root, can come."""
    with tempfile.TemporaryDirectory(prefix="retrieval-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def _fill(data: Data, photos: list[PhotoRecord]) -> UUID:
    await data.create_tables()
    account = {"email": "bench@example.com", "name": "Bench", "admin": True, "label": "bench"}
    add_user = NamedSql(SQL / "samples.sql", data.shape)["add_user"]
    row = await data.database.row(add_user, password="", pin=None, **account)
    assert row is not None
    user_id = UUID(str(row["id"]))
    for photo in photos:
        await _add(data, user_id, photo)
    await data.database.run("ANALYZE")
    return user_id


async def _add(data: Data, user_id: UUID, photo: PhotoRecord) -> None:
    """One asset, as Immich leaves it after its OCR job."""
    one = {"id": photo.asset_id}
    taken = datetime.fromisoformat(photo.taken)
    await data.run(
        "add_asset",
        **one,
        owner_id=user_id,
        type=AssetType.IMAGE.value,
        path=f"/nowhere/{photo.id}.jpg",
        name=f"{photo.id}.jpg",
        created_at=taken,
        modified_at=taken,
        checksum=hashlib.sha256(photo.id.encode()).digest()[:20],
        favorite=False,
        visibility=Visibility.TIMELINE.value,
        duration=None,
        live_photo_video_id=None,
    )
    await data.run("add_exif", **one, size=1)
    lines = [text for text, _ in photo.lines]
    scores = [confidence for _, confidence in photo.lines]
    boxes = [corner for number in range(len(lines)) for corner in _box(number, len(lines))]
    await data.run(
        "add_lines", **one, texts=lines, boxes=boxes, box_scores=scores, text_scores=scores
    )
    text = " ".join(filter(None, map(search_tokens, lines)))
    await data.run("save_ocr_search", **one, text=text)
    await data.run("ocr_done", **one)


def _box(number: int, count: int) -> tuple[float, ...]:
    """The corners of a line among so many, one below the other."""
    top, bottom = number / count, (number + 0.8) / count
    return (0.1, top, 0.9, top, 0.9, bottom, 0.1, bottom)

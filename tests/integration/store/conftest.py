"""An empty library of Immich's with a text index beside it, in either shape."""

from __future__ import annotations

import pytest
import pytest_asyncio

from immich_aio.domain.immich import Shape
from immich_aio.store import search
from immich_aio.store.database import Database
from immich_aio.store.immich_guard import immich_tables
from immich_aio.store.index_sync import IndexSync
from immich_aio.store.migration import migrate
from immich_aio.store.text.segmentation import JiebaSegmenter
from tests.integration.store.library import Library


@pytest_asyncio.fixture
async def library(database: Database, shape: Shape) -> Library:
    """Immich's side."""
    return Library(database, shape)


@pytest_asyncio.fixture
async def sync(database: Database) -> IndexSync:
    """Our side, migrated; it has not looked yet."""
    await migrate(database)
    return IndexSync(database, await immich_tables(database), JiebaSegmenter())


@pytest.fixture
def always_by_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few assets there are, their order is that of the index."""
    monkeypatch.setattr(search, "exact_at_most", lambda _library, _limit: -1)

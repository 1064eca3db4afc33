"""Searches of tests: a library written, indexed, and searched page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import UUID

import pytest

from immich_aio.domain.asset_search import AssetFilters, SearchScope
from immich_aio.domain.immich import Shape
from immich_aio.domain.ranking import Hit, Weights
from immich_aio.domain.search_query import parse_query
from immich_aio.store.database import Database
from immich_aio.store.immich_guard import immich_tables
from immich_aio.store.index_sync import IndexSync
from immich_aio.store.migration import migrate
from immich_aio.store.search import PhotoSearch
from immich_aio.store.search_request import SearchOptions, SearchPage, SearchRequest
from immich_aio.store.text.segmentation import JiebaSegmenter
from tests.integration.store.brute_force import Expected
from tests.integration.store.photos import Photo, Vector, World, write

WEIGHTS = Weights()
EVERYBODY = SearchScope(None, elevated=False)
CLOSE = 1e-6
"""PostgreSQL computes cosines in four bytes."""


@dataclass(frozen=True)
class Asked:
    """One search."""

    typed: str
    filters: AssetFilters = field(default_factory=AssetFilters)
    scope: SearchScope = EVERYBODY
    vector: Vector | None = None

    @property
    def by_text(self) -> bool:
        """Whether meaning does not count."""
        return self.vector is None or parse_query(self.typed).text_only


async def indexed(database: Database, shape: Shape, world: World) -> IndexSync:
    """Write a library, and make the index."""
    await write(database, shape, world)
    await migrate(database)
    sync = IndexSync(database, await immich_tables(database), JiebaSegmenter())
    await sync.once()
    return sync


async def search_of(
    database: Database, *, exact_limit: int = 5000, weights: Weights = WEIGHTS
) -> PhotoSearch:
    """A search over what is there now, that remembers nothing yet."""
    tables = await immich_tables(database)
    return PhotoSearch(database, tables, JiebaSegmenter(), SearchOptions(weights, exact_limit))


async def one_page(search: PhotoSearch, asked: Asked, page: int = 1, size: int = 100) -> SearchPage:
    """One page."""
    request = SearchRequest(
        query=parse_query(asked.typed),
        filters=asked.filters,
        scope=asked.scope,
        page=page,
        size=size,
    )
    return await search.page(request, None if asked.vector is None else list(asked.vector))


async def all_pages(search: PhotoSearch, asked: Asked, size: int = 100) -> list[Hit]:
    """Page after page, to the end."""
    found: list[Hit] = []
    has_more, number = True, 0
    while has_more:
        number += 1
        page = await one_page(search, asked, number, size)
        has_more = page.has_more
        assert len(page.hits) == size if has_more else len(page.hits) <= size
        found += page.hits
    return found


def assert_same_photos(found: Sequence[Hit], wanted: Sequence[Expected], asked: Asked) -> None:
    """The same photos, each once and with the same numbers."""
    by_id = {one.photo.id: one.hit for one in wanted}
    assert len({hit.asset_id for hit in found}) == len(found), asked
    assert {hit.asset_id for hit in found} == set(by_id), asked
    for hit in found:
        expected = by_id[hit.asset_id]
        assert hit.text_score == pytest.approx(expected.text_score, abs=CLOSE), asked
        assert hit.cosine == pytest.approx(expected.cosine, abs=CLOSE), asked
        assert hit.score == pytest.approx(expected.score, abs=CLOSE), asked
        assert hit.partial == (expected.partial and expected.text_score > 0), asked


def assert_best_first(found: Sequence[Hit], asked: Asked, close: float = CLOSE) -> None:
    """By score."""
    for before, after in pairwise(found):
        assert before.score >= after.score - close, asked


def assert_ties(found: Sequence[Hit], wanted: Sequence[Expected], asked: Asked) -> None:
    """Those of the same score by date where only text counts, and by their ids."""
    photos = {one.photo.id: one.photo for one in wanted}
    for before, after in pairwise(found):
        if before.score == after.score:
            one, other = photos[before.asset_id], photos[after.asset_id]
            assert _place(one, asked) < _place(other, asked), asked


def _place(photo: Photo, asked: Asked) -> tuple[float, UUID]:
    return -photo.taken.timestamp() if asked.by_text else 0, photo.id

"""Searches find what brute force finds, in its order, page by page: nothing twice, nothing missing,
nothing of someone else's."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from immich_aio.domain import search_plan
from immich_aio.domain.immich import Shape
from immich_aio.domain.ranking import Hit
from immich_aio.domain.search_plan import Frequencies, Texts
from immich_aio.store import meaning_index, planned_search, search_reader, search_run
from immich_aio.store.database import Database
from immich_aio.store.immich_guard import immich_tables
from immich_aio.store.search import PhotoSearch
from immich_aio.store.search_reader import SearchReader
from immich_aio.store.search_request import SearchOptions
from immich_aio.store.text.segmentation import JiebaSegmenter
from tests.integration.store.brute_force import BruteForce
from tests.integration.store.photos import World
from tests.integration.store.random_world import (
    dice_of,
    random_filters,
    random_query,
    random_scope,
    random_vector,
    random_world,
)
from tests.integration.store.searching import (
    WEIGHTS,
    Asked,
    all_pages,
    assert_best_first,
    assert_same_photos,
    assert_ties,
    indexed,
    search_of,
)

PHOTOS, SEARCHES = 90, 80
NEARLY = 2e-3
"""Copies of vectors may be of half precision, and they give the order where not all is scored."""


def random_search(dice: random.Random, world: World) -> Asked:
    return Asked(
        random_query(dice, world),
        random_filters(dice, world),
        random_scope(dice, world),
        random_vector(dice) if dice.random() < 0.8 else None,
    )


def always(plan: Texts) -> Callable[..., Texts]:
    """Texts are found in that way, whatever their number; none where there are no words."""

    def planned(frequencies: Frequencies, *_: object) -> Texts:
        return plan if frequencies.by_condition else Texts.NONE

    return planned


@pytest.mark.parametrize("seed", [1, 2])
async def test_all_pages_are_what_brute_force_finds(
    database: Database, shape: Shape, seed: int
) -> None:
    dice = dice_of(seed)
    world = random_world(dice, PHOTOS)
    await indexed(database, shape, world)
    scored = await search_of(database)
    brute = BruteForce(shape, world, WEIGHTS)
    await brute.read()
    for _ in range(SEARCHES):
        asked = random_search(dice, world)
        wanted = await brute.search(asked.typed, asked.filters, asked.scope, asked.vector)
        found = await all_pages(scored, asked, dice.choice([3, 10, 100]))
        assert_same_photos(found, wanted, asked)
        assert_best_first(found, asked)
        assert_ties(found, wanted, asked)


@pytest.mark.parametrize(
    ("plan", "by_meaning"),
    [(Texts.SOME, False), (Texts.ALL, False), (Texts.STREAM, False), (Texts.STREAM, True)],
)
@pytest.mark.usefixtures("always_by_index")
@pytest.mark.parametrize("shape", [Shape.V3_1], indirect=True, ids=str)
async def test_the_index_finds_what_scoring_each_finds(
    database: Database,
    shape: Shape,
    plan: Texts,
    by_meaning: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``by_meaning``: there is an index over the vectors beside the texts as well. Where texts are
    scored, two processes do it.
    """
    monkeypatch.setattr(planned_search, "plan_mixed", always(plan))
    monkeypatch.setattr(search_run, "plan_text_only", always(plan))
    monkeypatch.setattr(search_reader, "WINDOW", 7)
    monkeypatch.setattr(search_run, "MEANING_WINDOW", 14)
    monkeypatch.setattr(search_run, "AT_ONCE", 14)
    monkeypatch.setattr(search_plan, "SHARED", -1)
    monkeypatch.setattr(meaning_index, "TEXTS", 0 if by_meaning else 1000)
    dice = dice_of(3)
    world = random_world(dice, 200)
    await indexed(database, shape, world)
    by_index = await search_of(database)
    with_brute = BruteForce(shape, world, WEIGHTS, plan)
    await with_brute.read()
    for _ in range(40):
        asked = random_search(dice, world)
        wanted = await with_brute.search(asked.typed, asked.filters, asked.scope, asked.vector)
        sizes = dice.sample([4, 10, 37, 300], 2)
        found, again = [await all_pages(by_index, asked, size) for size in sizes]
        assert_same_photos(found, wanted, asked)
        fresh = await search_of(database)
        assert found == again == await all_pages(fresh, asked, sizes[1])
        if asked.by_text or plan is not Texts.STREAM:
            assert_best_first(found, asked, close=NEARLY)


@pytest.mark.usefixtures("always_by_index")
@pytest.mark.parametrize("halved", [False, True])
@pytest.mark.parametrize("shape", [Shape.V3_1], indirect=True, ids=str)
async def test_of_many_texts_few_are_read_and_the_same_are_found(
    database: Database, shape: Shape, halved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if few texts were many: scores are bounded first, by two connections where they are
    ``halved``, and only the highest are read.
    """
    outlines: list[bool] = []
    best_of_outline = SearchReader.best_of_outline

    async def counted(self: SearchReader, *args: Any, **more: Any) -> list[Hit] | None:  # noqa: ANN401  # passed on
        hits = await best_of_outline(self, *args, **more)
        outlines.append(hits is not None)
        return hits

    monkeypatch.setattr(SearchReader, "best_of_outline", counted)
    monkeypatch.setattr(planned_search, "plan_mixed", always(Texts.ALL))
    monkeypatch.setattr(search_run, "OUTLINED", 0)
    monkeypatch.setattr(search_reader, "TELLING", 1)
    monkeypatch.setattr(search_run, "A_FEW", 0)
    monkeypatch.setattr(search_run, "SPARE", 2)
    monkeypatch.setattr(search_plan, "SHARED", -1)
    for name in ("HALVED", "HALVED_ALONE"):
        monkeypatch.setattr(search_plan, name, -1 if halved else 10**6)
    dice = dice_of(11)
    world = random_world(dice, 300)
    await indexed(database, shape, world)
    bounded = await search_of(database)
    brute = BruteForce(shape, world, WEIGHTS, Texts.ALL)
    await brute.read()
    for _ in range(60):
        monkeypatch.setattr(Frequencies, "are_in_a_row", dice.random() < 0.3)
        asked = random_search(dice, world)
        wanted = await brute.search(asked.typed, asked.filters, asked.scope, asked.vector)
        found = await all_pages(bounded, asked, dice.choice([4, 10]))
        assert_same_photos(found, wanted, asked)
        assert_best_first(found, asked, close=NEARLY)
        if asked.by_text:
            assert_ties(found, wanted, asked)
    assert sum(outlines) > 20, "the highest bounds often tell"
    assert not all(outlines), "and sometimes all must be read"


@pytest.mark.usefixtures("always_by_index")
@pytest.mark.parametrize("shape", [Shape.V3_1], indirect=True, ids=str)
async def test_without_half_precision_the_same_is_found(database: Database, shape: Shape) -> None:
    """As before pgvector 0.7."""
    await database.run("ALTER TYPE halfvec RENAME TO unknown_type")
    dice = dice_of(31)
    world = random_world(dice, 150)
    await indexed(database, shape, world)
    tables = replace(await immich_tables(database), half_vectors=False)
    search = PhotoSearch(database, tables, JiebaSegmenter(), SearchOptions(WEIGHTS))
    brute = BruteForce(shape, world, WEIGHTS)
    await brute.read()
    for _ in range(25):
        asked = random_search(dice, world)
        wanted = await brute.search(asked.typed, asked.filters, asked.scope, asked.vector)
        found = await all_pages(search, asked, 20)
        assert_same_photos(found, wanted, asked)
        assert_best_first(found, asked, close=NEARLY)

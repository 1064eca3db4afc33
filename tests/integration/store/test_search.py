"""Searches: what text only means, what is asked in vain, and results that hold while one turns
their pages."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from immich_aio.domain.asset_search import SearchScope
from immich_aio.domain.immich import Shape
from immich_aio.domain.ranking import Weights
from immich_aio.domain.search_plan import Texts
from immich_aio.errors import BadInputError
from immich_aio.store import planned_search, search, search_reader, search_run
from immich_aio.store.database import Database
from immich_aio.store.immich_guard import immich_tables
from immich_aio.store.search import PhotoSearch
from immich_aio.store.search_request import SearchOptions
from immich_aio.store.text.segmentation import JiebaSegmenter
from tests.integration.store.photos import DAY, DIMENSIONS, Photo, Vector, World
from tests.integration.store.random_world import dice_of, random_vector, random_world
from tests.integration.store.searching import (
    WEIGHTS,
    Asked,
    all_pages,
    assert_best_first,
    indexed,
    one_page,
    search_of,
)

pytestmark = pytest.mark.parametrize("shape", [Shape.V3_1], indirect=True, ids=str)

USER = UUID(int=1)


def library(*texts: str | list[tuple[str, float]], vectors: list[Vector | None] = ()) -> World:  # type: ignore[assignment]
    """One user's photos, of one day each, the first the newest. Their ids are 1000, 1001, …"""
    photos = []
    for number, text in enumerate(texts):
        lines = [(text, 0.99)] if isinstance(text, str) else text
        photo = Photo(UUID(int=1000 + number), USER, lines if text else [])
        photo.taken = DAY - timedelta(days=number)
        photo.vector = vectors[number] if number < len(vectors) else None
        photos.append(photo)
    return World([USER], photos)


def towards(angle: float) -> Vector:
    """A vector at an angle, in degrees, from the one at 0."""
    vector = np.zeros(DIMENSIONS, np.float32)
    vector[:2] = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return vector


async def numbers(search: PhotoSearch, asked: Asked, size: int = 100) -> list[int]:
    """Which photos are found, by their numbers."""
    return [hit.asset_id.int - 1000 for hit in await all_pages(search, asked, size)]


async def found(database: Database, world: World, typed: str) -> list[int]:
    await indexed(database, Shape.V3_1, world)
    return await numbers(await search_of(database), Asked(typed))


async def test_every_word_must_be_there_where_only_text_counts(database: Database) -> None:
    world = library("杭州 酒店 发票", "发票 上海", "杭州 发票", "杭州", "")
    assert await found(database, world, "ocr:杭州 发票") == [2, 0]


async def test_if_no_photo_has_all_words_those_with_most_come_first_and_are_marked(
    database: Database,
) -> None:
    await indexed(database, Shape.V3_1, library("杭州", "发票 杭州", "猫", "发票 收据"))
    page = await one_page(await search_of(database), Asked("ocr:杭州 发票 手机"))
    assert [hit.asset_id.int - 1000 for hit in page.hits] == [1, 0, 3]
    assert all(hit.partial for hit in page.hits)


async def test_if_no_photo_has_a_rare_word_those_with_a_frequent_one_are_found(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planned_search, "MANY", 1)
    world = library("发票", "发票", "发票", "收据")
    assert await found(database, world, "ocr:nowhere 发票") == [0, 1, 2]


async def test_what_is_excluded_is_not_found_by_text_nor_by_meaning(database: Database) -> None:
    world = library("发票 酒店", "发票", "酒店", "", vectors=[towards(0)] * 4)
    await indexed(database, Shape.V3_1, world)
    search = await search_of(database)
    for typed, wanted in [("发票 -酒店", [1, 3]), ("-酒店", [1, 3]), ("-发票 -酒店", [3])]:
        assert await numbers(search, Asked(typed, vector=towards(0))) == wanted, typed
    assert await numbers(search, Asked("ocr:发票 -酒店")) == [1]


async def test_without_words_the_newest_come_first(database: Database) -> None:
    await indexed(database, Shape.V3_1, library("发票", "", "酒店"))
    search = await search_of(database)
    assert await numbers(search, Asked("")) == [0, 1, 2]
    assert await numbers(search, Asked("-酒店")) == [0, 1]
    assert await numbers(search, Asked("ocr:")) == [0, 2]
    assert await numbers(search, Asked("ocr:-酒店")) == [0]


FOUND = [
    ("发票", "增值税电子普通发票"),
    ("票", "电子发票"),
    ("電子發票", "电子发票"),
    ("电子发票", "電子發票"),
    ("ＩＮＶＯＩＣＥ", "Invoice"),
    ("nvoi", "invoice"),
    ("395", "沪A·D39527"),
    ("沪AD39527", "沪A·D39527"),
    ("20260418", "2026-04-18"),
    ("2026-04-18", "20260418"),
    ("cafe", "CAFÉ"),
    ("invoice", "invo1ce"),
    ("hotel", "hote1"),
    ("增值税", "增直税"),
    ("电子发票", "电发子票"),
    ('"red car"', "the red car"),
    ("杭州 OR 苏州", "苏州"),
    ("“票ab”", "发票abc"),
]
"""What is typed, and a text in which it is found."""
NOT_FOUND = [
    ('"12 15"', "no 12 no 15"),
    ('"a b"', "ca bd"),
    ("no", "note"),
    ("12345678", "1234678"),
    ('"red car"', "car red"),
    ("发票", "发 x 票"),
]


async def test_words_and_their_parts_are_found_where_they_are_and_nowhere_else(
    database: Database,
) -> None:
    cases = [*FOUND, *NOT_FOUND]
    await indexed(database, Shape.V3_1, library(*(text for _, text in cases), "猫"))
    search = await search_of(database)
    for number, (typed, text) in enumerate(cases):
        found = await all_pages(search, Asked(f"ocr:{typed}"))
        whole = {hit.asset_id.int - 1000 for hit in found if not hit.partial}
        assert (number in whole) == (number < len(FOUND)), (typed, text)
        assert len(cases) not in whole


async def test_a_word_whole_is_over_one_in_another_and_these_over_misread_ones(
    database: Database,
) -> None:
    world = library("invo1ce", "invoices", "invoice")
    assert await found(database, world, "ocr:invoice") == [2, 1, 0]


async def test_a_phrase_is_over_all_words(database: Database) -> None:
    world = library("car red", "red dot car", "red car")
    assert await found(database, world, "ocr:red car") == [2, 0, 1]


async def test_a_vector_of_another_length_is_refused(database: Database) -> None:
    await indexed(database, Shape.V3_1, library("发票"))
    with pytest.raises(BadInputError, match=r"has 3 numbers.*have 512"):
        await one_page(await search_of(database), Asked("a", vector=np.ones(3, np.float32)))


async def test_photos_without_a_vector_and_vectors_without_a_direction_have_their_place(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = np.zeros(DIMENSIONS, np.float32)
    vectors = [None, None, towards(80), nowhere, nowhere]
    world = library("发票", "", "", "发票", "", vectors=vectors)
    await indexed(database, Shape.V3_1, world)
    for exact in (True, False):
        if not exact:
            monkeypatch.setattr(search, "exact_at_most", lambda _library, _limit: -1)
        hits = await all_pages(await search_of(database), Asked("发票", vector=towards(0)), size=2)
        assert [hit.asset_id.int - 1000 for hit in hits] == [0, 3, 2, 4]
        assert all(math.isfinite(hit.score) for hit in hits)
        assert [hit.cosine is None for hit in hits] == [True, True, False, True]


ANYTHING = st.text(st.characters(), max_size=60) | st.text(
    st.sampled_from("发票 收据OR|-\"“”ocr：:12ab%_\\'{}()\0\ud800"), max_size=60
)


async def test_anything_is_a_query(database: Database) -> None:
    await indexed(database, Shape.V3_1, random_world(dice_of(5), 20))
    search, loop = await search_of(database), asyncio.get_running_loop()

    @settings(max_examples=150)
    @given(ANYTHING, st.sampled_from(["", "ocr:"]), st.booleans())
    @example("发" * 5000, "ocr:", True)
    @example("x" * 5000, "", True)
    @example("%s %(a)s {b} :c", "", True)
    @example("a " * 5000, "ocr:", True)
    def ask(typed: str, prefix: str, has_meaning: bool) -> None:
        asked = Asked(prefix + typed, vector=towards(0) if has_meaning else None)
        page = asyncio.run_coroutine_threadsafe(one_page(search, asked), loop).result()
        assert_best_first(page.hits, asked)

    await asyncio.to_thread(ask)


@pytest.mark.parametrize("size", [5, 29, 100])
@pytest.mark.parametrize("has_meaning", [False, True])
async def test_ones_own_are_found_however_many_of_others_are_better(
    database: Database, size: int, has_meaning: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "exact_at_most", lambda _library, _limit: -1)
    world = library(*["invo1ce"] * 150, *[[("invo1ce", 0.6)]] * 5)
    world.users.append(UUID(int=2))
    for photo in world.photos[:150]:
        photo.owner = UUID(int=2)
    await indexed(database, Shape.V3_1, world)
    scope = SearchScope((USER,), elevated=False)
    asked = Asked("invoice", scope=scope, vector=towards(0) if has_meaning else None)
    assert await numbers(await search_of(database), asked, size) == [150, 151, 152, 153, 154]


# ---- Pages


@pytest.fixture
def in_the_order_of_assets(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a word is in most texts."""
    monkeypatch.setattr(planned_search, "plan_mixed", lambda *_: Texts.STREAM)
    monkeypatch.setattr(search_run, "plan_text_only", lambda *_: Texts.STREAM)


async def page_by_page(database: Database, asked: Asked, size: int, weights: Weights) -> list[UUID]:
    """By searches of which none knows what another has found."""
    ids: list[UUID] = []
    for number in range(1, 100):
        search = await search_of(database, weights=weights)
        page = await one_page(search, asked, number, size)
        ids += [hit.asset_id for hit in page.hits]
        if not page.has_more:
            return ids
    raise AssertionError("no last page")


SURE = [0.9, 0.99]  # 0.9 is a little less than that in four bytes


@pytest.mark.parametrize(
    ("texts", "weights", "one_day"),
    [
        (["发票"] * 40, WEIGHTS, False),
        (["发票"] * 40, WEIGHTS, True),
        (["red car", "car red"] * 20, Weights(words=1, together=1, phrase=1), False),
        (["red car", "car red"] * 20, Weights(words=0.1, together=0.1, phrase=0.1), False),
    ],
    ids=["by date", "of one day", "weights above one", "weights below one"],
)
@pytest.mark.usefixtures("always_by_index", "in_the_order_of_assets")
async def test_pages_of_a_frequent_word_go_on_where_the_ones_before_ended(
    database: Database, texts: list[str], weights: Weights, one_day: bool
) -> None:
    scored = [[(text, SURE[number % 3 > 0])] for number, text in enumerate(texts)]
    world = library(*scored, vectors=[towards(0)] * len(texts))
    dice_of(1).shuffle(world.photos)
    for photo in world.photos if one_day else ():
        photo.taken = DAY
    await indexed(database, Shape.V3_1, world)
    asked = Asked(f"ocr:{texts[0]}")
    whole = await page_by_page(database, asked, 1000, weights)
    assert len(whole) == len(texts)
    assert await page_by_page(database, asked, 3, weights) == whole


@pytest.mark.usefixtures("always_by_index", "in_the_order_of_assets")
async def test_a_worse_text_that_is_nearer_hides_no_photo_without_text(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_reader, "WINDOW", 2)
    texts = ["invoice", "invo1ce", "invoice", "invoice", *[""] * 20]
    angles = [50, 55, 60, 62, *(45 + number / 10 for number in range(20))]
    world = library(*texts, vectors=[towards(angle) for angle in angles])
    await indexed(database, Shape.V3_1, world)
    asked = Asked("invoice", vector=towards(0))
    whole = await page_by_page(database, asked, 1000, WEIGHTS)
    assert len(whole) == len(texts)
    assert await page_by_page(database, asked, 3, WEIGHTS) == whole


@pytest.mark.usefixtures("always_by_index")
async def test_what_comes_meanwhile_moves_nothing_that_was_shown(database: Database) -> None:
    sync = await indexed(database, Shape.V3_1, library(*["发票"] * 12))
    search, asked = await search_of(database), Asked("ocr:发票")
    shown = list((await one_page(search, asked, 1, 5)).hits)
    newest, gone = UUID(int=1011), UUID(int=1001)
    await database.run('UPDATE asset SET "fileCreatedAt" = now() WHERE id = %(id)s', id=newest)
    await database.run("DELETE FROM asset WHERE id = %(id)s", id=gone)
    await sync.once()
    shown += (await one_page(search, asked, 2, 5)).hits
    shown += (await one_page(search, asked, 3, 5)).hits
    ids = [hit.asset_id.int - 1000 for hit in shown]
    assert len(set(ids)) == len(ids) == 12
    assert ids[:5] == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("always_by_index")
@pytest.mark.parametrize("ends", ["early", "as before pgvector 0.8", "nowhere"])
async def test_the_last_pages_are_there_wherever_the_index_ends(
    database: Database, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = dice_of(6)
    world = random_world(dice, 150)
    await indexed(database, Shape.V3_1, world)
    tables = await immich_tables(database)
    if ends == "nowhere":
        await database.run("DROP INDEX clip_index")
        tables = await immich_tables(database)
    elif ends == "early":
        sql = dict(search_reader._SQL)
        sql["for_hnsw"] = sql["for_hnsw"].replace("'64'", "'5'").replace("'100000'", "'1'")
        monkeypatch.setattr(search_reader, "_SQL", sql)
    else:
        tables = replace(tables, iterative_scan=False)
        sql = dict(search_reader._SQL)
        sql["for_old_hnsw"] = sql["for_old_hnsw"].replace("'1000'", "'5'")
        monkeypatch.setattr(search_reader, "_SQL", sql)
    for plan in (Texts.SOME, Texts.STREAM):
        monkeypatch.setattr(planned_search, "plan_mixed", lambda *_, plan=plan: plan)
        asked = Asked("发票", vector=random_vector(dice))
        by_index = PhotoSearch(database, tables, JiebaSegmenter(), SearchOptions(WEIGHTS))
        found = await all_pages(by_index, asked, 20)
        with monkeypatch.context() as patched:
            patched.setattr(search, "exact_at_most", lambda _library, _limit: 1000)
            wanted = await all_pages(await search_of(database), asked)
        assert len({hit.asset_id for hit in found}) == len(found)
        assert {hit.asset_id for hit in found} == {hit.asset_id for hit in wanted}

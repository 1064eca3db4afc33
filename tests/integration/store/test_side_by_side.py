"""A first page's texts and its other photos are sought over two connections that see the same."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from immich_aio.domain import search_plan
from immich_aio.domain.immich import Shape
from immich_aio.domain.search_plan import Texts
from immich_aio.store import planned_search, search_run
from immich_aio.store.database import Database
from immich_aio.store.search_reader import AT_FIRST, SearchReader
from immich_aio.store.search_run import SearchRun
from immich_aio.store.text.grams import HALVES
from tests.integration.store.random_world import dice_of, random_query, random_vector, random_world
from tests.integration.store.searching import Asked, all_pages, indexed, one_page, search_of

pytestmark = [
    pytest.mark.usefixtures("always_by_index"),
    pytest.mark.parametrize("shape", [Shape.V3_1], indirect=True, ids=str),
]


async def test_a_connection_beside_a_snapshot_sees_nothing_newer(database: Database) -> None:
    await database.run("CREATE TABLE number (one int4)")
    count = "SELECT count(*) AS count FROM number"
    async with database.snapshot(AT_FIRST) as connection:
        await connection.execute(count)
        await database.run("INSERT INTO number VALUES (1)")
        async with database.beside(connection, AT_FIRST) as second:
            assert second is not None
            assert second is not connection
            row = await (await second.execute(count)).fetchone()
            assert row == {"count": 0}
    assert await database.row(count) == {"count": 1}


@pytest.fixture
def halved(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few texts there are, two connections bound them."""
    monkeypatch.setattr(planned_search, "plan_mixed", lambda *_: Texts.ALL)
    monkeypatch.setattr(search_run, "OUTLINED", 0)
    monkeypatch.setattr(search_plan, "HALVED", -1)
    monkeypatch.setattr(search_plan, "HALVED_ALONE", -1)


@pytest.mark.usefixtures("halved")
async def test_with_one_connection_the_same_is_found(database: Database) -> None:
    dice = dice_of(23)
    world = random_world(dice, 120)
    await indexed(database, Shape.V3_1, world)
    alone = Database(database.url, max_connections=1)
    await alone.open()
    try:
        for _ in range(20):
            vector = random_vector(dice) if dice.random() < 0.7 else None
            asked = Asked(random_query(dice, world), vector=vector)
            beside = await all_pages(await search_of(database), asked, 50)
            assert beside == await all_pages(await search_of(alone), asked, 50)
    finally:
        await alone.close()


@pytest.mark.parametrize("fails", ["texts_with_meaning", "others"])
async def test_where_one_side_fails_the_search_does_and_both_connections_are_given_back(
    database: Database, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = dice_of(29)
    world = random_world(dice, 60)
    await indexed(database, Shape.V3_1, world)
    search = await search_of(database)
    asked = Asked("发票", vector=random_vector(dice))
    wanted = await one_page(search, asked)

    async def fail(*_: object) -> None:
        await asyncio.sleep(0)
        raise psycopg.OperationalError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(SearchRun, fails, fail)
        for _ in range(15):  # more often than there are connections
            with pytest.raises(psycopg.OperationalError, match="gone"):
                await one_page(search, asked)
    assert await one_page(search, asked) == wanted


@pytest.mark.usefixtures("halved")
async def test_an_index_of_before_has_no_halves_and_the_same_is_found(database: Database) -> None:
    world = random_world(dice_of(41), 60)
    await indexed(database, Shape.V3_1, world)
    asked = Asked("ocr:发票")
    wanted = await all_pages(await search_of(database), asked)
    assert wanted
    await database.run("UPDATE immich_aio.state SET format = format - 1")
    await database.run(
        "UPDATE immich_aio.document SET grams = trim_array(grams, 1)"  # where the half stands
    )
    assert await all_pages(await search_of(database), asked) == wanted


@pytest.mark.usefixtures("halved")
@pytest.mark.parametrize("number", [0, 1])
async def test_where_one_half_fails_the_search_does_and_both_connections_are_given_back(
    database: Database, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = random_world(dice_of(37), 60)
    await indexed(database, Shape.V3_1, world)
    search = await search_of(database)
    asked = Asked("ocr:发票")
    wanted = await one_page(search, asked)
    bounds = SearchReader.bounds

    async def fail(self: SearchReader, *args: Any) -> list[TupleRow]:  # noqa: ANN401  # passed on
        if args[-1] == HALVES[number]:
            raise psycopg.OperationalError("gone")
        return await bounds(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(SearchReader, "bounds", fail)
        for _ in range(15):  # more often than there are connections
            with pytest.raises(psycopg.OperationalError, match="gone"):
                await one_page(search, asked)
    assert await one_page(search, asked) == wanted

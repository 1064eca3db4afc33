"""What a text scores at most, by its row without the text, is never less than what it scores."""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import UUID

import pytest

from immich_aio.domain.immich import Shape
from immich_aio.domain.search_query import parse_query
from immich_aio.store.database import Database
from immich_aio.store.frequencies import FrequencyReader
from immich_aio.store.query_words import text_query
from immich_aio.store.text.segmentation import JiebaSegmenter
from immich_aio.store.text_match import TextMatch
from tests.integration.store.photos import DIMENSIONS, Photo, World
from tests.integration.store.random_world import dice_of, random_query, random_world
from tests.integration.store.searching import WEIGHTS, indexed

PHOTOS, QUERIES = 200, 150
ANY = 1e-9
USER = UUID(int=1)


async def scores(database: Database, match: TextMatch, *, at_most: bool) -> dict[Any, float]:
    texts = match.texts(match.all_of(), every_word=True, at_most=at_most)
    sql: LiteralString = f'SELECT "assetId", text_score FROM {texts} d'  # noqa: S608  # from the tested code
    rows = await database.rows(sql, **match.parameters, least=ANY)
    return {row["assetId"]: row["text_score"] for row in rows}


def photos(texts: list[list[str]]) -> list[Photo]:
    """With the lines of each."""
    return [
        Photo(UUID(int=number), USER, [(line, 1.0) for line in lines])
        for number, lines in enumerate(texts)
    ]


@pytest.mark.parametrize("shape", [Shape.V3_1], indirect=True, ids=str)
async def test_no_text_scores_more_than_its_bound(database: Database, shape: Shape) -> None:
    dice = dice_of(17)
    world = random_world(dice, PHOTOS)
    await indexed(database, shape, world)
    texts = told = 0
    for _ in range(QUERIES):
        typed = random_query(dice, world)
        text = await text_query(parse_query(typed), JiebaSegmenter())
        if not text.conditions:
            continue
        rarities, in_a_row = [dice.uniform(0.1, 9) for _ in text.conditions], dice.random() < 0.3
        match = TextMatch.of(text, rarities, WEIGHTS, in_a_row=in_a_row)
        exact = await scores(database, match, at_most=False)
        bounds = await scores(database, match, at_most=True)
        for asset_id, score in exact.items():
            assert bounds[asset_id] >= score, typed
            texts += not in_a_row
            told += bounds[asset_id] == score and not in_a_row
    assert texts > QUERIES
    assert told > 0.8 * texts, "of most texts the row tells the score"


@pytest.mark.parametrize("shape", [Shape.V3_1], indirect=True, ids=str)
@pytest.mark.parametrize(
    ("lines", "typed", "is_one"),
    [
        (["增值税电子发票"], "增值税电子发票", True),
        (["电子发票", "增值税"], "增值税电子发票", False),
        (["tax bill"], "tax bill", False),
    ],
)
async def test_where_words_are_mostly_one_after_the_other_no_text_is_read_for_bounds(
    database: Database, shape: Shape, lines: list[str], typed: str, is_one: bool
) -> None:
    """As statistics tell of Chinese words; of others nothing does."""
    texts = [lines] * 40 + [["电子"], ["发票"]] * 30
    await indexed(database, shape, World([USER], photos(texts)))
    sought = await text_query(parse_query(typed), JiebaSegmenter())
    assert len(sought.conditions) > 1
    async with database.connection() as connection:
        frequencies = await FrequencyReader(DIMENSIONS).of(connection, sought)
    assert frequencies.are_in_a_row is is_one


@pytest.mark.parametrize("shape", [Shape.V3_1], indirect=True, ids=str)
async def test_texts_with_words_apart_are_then_bounded_as_if_they_stood_together(
    database: Database, shape: Shape
) -> None:
    lines = [["增值税电子发票"], ["电子发票", "增值税"]]
    await indexed(database, shape, World([USER], photos(lines)))
    text = await text_query(parse_query("增值税电子发票"), JiebaSegmenter())
    match = TextMatch.of(text, [1.0 for _ in text.conditions], WEIGHTS, in_a_row=True)
    together, apart = (await scores(database, match, at_most=False)).values()
    assert together > apart
    assert list((await scores(database, match, at_most=True)).values()) == [together, together]

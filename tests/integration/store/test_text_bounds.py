"""What a text scores at most, by its row without the text, is never less than what it scores."""

from __future__ import annotations

from typing import Any, LiteralString

import pytest

from immich_aio.domain.immich import Shape
from immich_aio.domain.search_query import parse_query
from immich_aio.store.database import Database
from immich_aio.store.query_words import text_query
from immich_aio.store.text.segmentation import JiebaSegmenter
from immich_aio.store.text_match import TextMatch
from tests.integration.store.random_world import dice_of, random_query, random_world
from tests.integration.store.searching import WEIGHTS, indexed

PHOTOS, QUERIES = 200, 150
ANY = 1e-9


async def scores(database: Database, match: TextMatch, *, at_most: bool) -> dict[Any, float]:
    texts = match.texts(match.all_of(), every_word=True, at_most=at_most)
    sql: LiteralString = f'SELECT "assetId", text_score FROM {texts} d'  # noqa: S608  # from the tested code
    rows = await database.rows(sql, **match.parameters, least=ANY)
    return {row["assetId"]: row["text_score"] for row in rows}


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
        match = TextMatch.of(text, [dice.uniform(0.1, 9) for _ in text.conditions], WEIGHTS)
        exact = await scores(database, match, at_most=False)
        bounds = await scores(database, match, at_most=True)
        for asset_id, score in exact.items():
            assert bounds[asset_id] >= score, typed
            texts += 1
            told += bounds[asset_id] == score
    assert texts > QUERIES
    assert told > 0.8 * texts, "of most texts the row tells the score"

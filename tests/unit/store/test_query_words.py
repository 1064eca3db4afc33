"""From a query to what is looked for in texts: folded and cut as the texts are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_aio.domain.search_query import parse_query
from immich_aio.domain.text_query import Needle, TextQuery
from immich_aio.store.query_words import MAX_WORDS, text_query
from immich_aio.store.text.folding import fold
from immich_aio.store.text.segmentation import JiebaSegmenter


async def looked_for(typed: str) -> TextQuery:
    return await text_query(parse_query(typed), JiebaSegmenter())


def written(query: TextQuery) -> list[str]:
    """Conditions as tests write them; exact needles in brackets."""

    def needle(one: Needle) -> str:
        return f"[{one.text}]" if one.exact else one.text

    return ["/".join(map(needle, needles)) for needles in query.conditions] + [
        f"not:{needle(one)}" for one in query.excluded
    ]


@pytest.mark.parametrize(
    ("typed", "conditions"),
    [
        ("发票 杭州", ["发票", "杭州"]),
        ("電子發票", ["电子", "发票"]),
        ("Ｉｎｖｏｉｃｅ", ["invoice"]),
        ("发票no12号", ["发票", "no12", "号"]),
        ("발표 자료", ["발표", "자료"]),
        ("2026-04-18", ["[2026 04 18]/20260418"]),
        ("沪A·D39527", ["[沪a d39527]/沪ad39527"]),
        ('"杭州 发票"', ["[杭州发票]"]),
        ('"red car"', ["[red car]"]),
        ("发票 OR 收据 杭州", ["发票/收据", "杭州"]),
        ("发票 OR 發票", ["发票"]),
        ("发票 发票", ["发票"]),
        ("发票 -酒店", ["发票", "not:酒店"]),
        ("-2026-04-18", ["not:[2026 04 18]", "not:20260418"]),
        ("！！ — 发票", ["发票"]),
        ("— OR 发票", ["发票"]),
        ("发票 -！！", ["发票"]),
        ("\ud800发票", ["发票"]),
        ("—", []),
        ("", []),
    ],
)
async def test_a_query_is_cut_into_what_is_looked_for(typed: str, conditions: list[str]) -> None:
    assert written(await looked_for(typed)) == conditions


@pytest.mark.parametrize(
    ("typed", "phrase"),
    [
        ("red car", "red car"),
        ("杭州 发票", "杭州发票"),
        ("发票", None),
        ("red OR blue car", None),
        ("red car -blue", "red car"),
    ],
)
async def test_words_as_they_were_typed_are_a_phrase(typed: str, phrase: str | None) -> None:
    assert (await looked_for(typed)).phrase == phrase


async def test_a_word_knows_the_longer_run_that_it_was_cut_from() -> None:
    query = await looked_for("电子发票 invoice")
    assert [needle.part_of for (needle,) in query.conditions] == ["电子发票", "电子发票", None]


async def test_words_beyond_the_limit_are_not_looked_for() -> None:
    query = await looked_for(" ".join(f"word{number}" for number in range(MAX_WORDS + 8)))
    assert len(query.conditions) == MAX_WORDS


@given(st.text(st.characters(), max_size=40))
async def test_anything_becomes_needles_that_are_folded(typed: str) -> None:
    query = await looked_for(typed)
    needles = [needle for needles in query.conditions for needle in needles]
    assert all(query.conditions)
    for needle in [*needles, *query.excluded]:
        assert needle.text
        assert fold(needle.text) == needle.text

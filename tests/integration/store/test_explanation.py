"""An explanation says what the ranking did, to the last digit, and shows where the words stand."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from uuid import UUID

import pytest

from immich_aio.domain.asset_search import AssetFilters, SearchScope
from immich_aio.domain.explanation import Explanation
from immich_aio.domain.immich import Shape
from immich_aio.domain.ranking import Match, Weights
from immich_aio.domain.search_query import parse_query
from immich_aio.store.database import Database
from immich_aio.store.explanation import Explainer
from immich_aio.store.immich_guard import immich_tables
from immich_aio.store.index_sync import IndexSync
from immich_aio.store.search import PhotoSearch
from immich_aio.store.search_request import SearchOptions, SearchPage, SearchRequest
from immich_aio.store.text.segmentation import JiebaSegmenter
from tests.integration.services.sandbox.ml_server import vector_of
from tests.integration.store.library import Library, Line

EVERYBODY = SearchScope(None, elevated=True)
NEWEST = pytest.mark.parametrize("shape", [Shape.V3_1], indirect=True, ids=str)
PIECES = [
    *("增值税电子普通发票", "統一發票", "发票号码", "发栗", "杭州", "杭卅西湖", "西湖春天"),
    *("上海虹桥站", "上海", "虹桥", "站", "票", "ラーメン", "한국어", "沪A·D39527", "…", "。"),
    *("Invoice", "INVOICES", "Lnvoice", "order-20260418", "2026-04-18", "Café", "cafe"),
    *("1234", "5678", "no.", "A7", "Boarding", "pass", "Gate", "B12"),
]
QUERIES = (
    "发票",
    "发票 杭州",
    "杭州 发票 西湖",
    '"上海 虹桥"',
    "上海虹桥站",
    "invoice",
    "invoice cafe",
    "20260418",
    "沪AD39527",
    "发票 OR ラーメン",
    "票",
    "A7",
    "no",
    "boarding pass",
    '"boarding pass"',
    "한국",
    "发票 -杭州",
    "統一發票",
    "12345678",
    "西湖春夭",
    "boarding pass gate 发票 杭州 zzz",
    "海边",
    "!!",
)


class Searcher:
    """Searches one database, and explains."""

    def __init__(self, search: PhotoSearch, explainer: Explainer) -> None:
        self._search = search
        self._explainer = explainer

    async def page(
        self, query: str, vector: Sequence[float] | None = None, *, size: int = 100
    ) -> tuple[SearchPage, list[Explanation]]:
        """The first page and its explanations."""
        request = SearchRequest(
            query=parse_query(query), filters=AssetFilters(), scope=EVERYBODY, size=size
        )
        page = await self._search.page(request, vector)
        return page, await self._explainer.explain(page)

    async def only(self, query: str) -> Explanation:
        """The explanation of the one text that is found."""
        _, (explanation,) = await self.page(f"ocr:{query}")
        return explanation


DEFAULT = Weights()


async def searcher(
    database: Database, weights: Weights = DEFAULT, exact_limit: int = 5000
) -> Searcher:
    tables = await immich_tables(database)
    options = SearchOptions(weights, exact_limit)
    search = PhotoSearch(database, tables, JiebaSegmenter(), options)
    return Searcher(search, Explainer(database, tables, weights))


async def give_vector(library: Library, asset_id: UUID, name: str) -> None:
    await library.run("INSERT INTO smart_search VALUES (%s, %s)", asset_id, vector_of(name))


@pytest.mark.parametrize("exact_limit", [5000, 0], ids=["exact", "by index"])
@pytest.mark.parametrize(
    "weights", [Weights(), Weights(0.3, 0.5, 0.3, 0.1, 0.4, 0.2)], ids=["default", "other"]
)
async def test_the_total_is_the_score(
    database: Database, library: Library, sync: IndexSync, weights: Weights, exact_limit: int
) -> None:
    """Of random texts and every kind of query; SQL ranked, and Python explains."""
    dice = random.Random(3)  # noqa: S311  # the same library every time
    await library.add("购物发", "票 一张")
    for number in range(60):
        lines: list[Line] = [
            (" ".join(dice.choices(PIECES, k=dice.randint(1, 4))), dice.uniform(0.4, 1.0))
            for _ in range(dice.randint(0, 5))
        ]
        asset_id = await library.add(*lines)
        if number % 4:
            await give_vector(library, asset_id, str(number))
    await sync.once()
    search = await searcher(database, weights, exact_limit)
    vector = [float(one) for one in vector_of("a query").strip("[]").split(",")]
    seen, scored = set(), 0
    for prefix, asked in itertools.product(("", "ocr:"), QUERIES):
        for meaning in (None, vector):
            page, explanations = await search.page(prefix + asked, meaning)
            for hit, explanation in zip(page.hits, explanations, strict=True):
                assert explanation.asset_id == hit.asset_id
                assert explanation.total == pytest.approx(hit.score, abs=1e-6), asked
                assert explanation.cosine == hit.cosine
                if hit.text_score:
                    assert explanation.text_score == pytest.approx(hit.text_score, abs=1e-6)
                    assert hit.partial is not explanation.every
                    scored += 1
                seen.update(explanation.matches)
                check_lines(explanation)
    assert seen == set(Match)
    assert scored > 500


def check_lines(explanation: Explanation) -> None:
    """Each word that was found stands in a line, and each line is marked where words stand."""
    for word in explanation.words:
        assert (word.match is Match.NONE) == (word.lines == ())
    shown = {number for word in explanation.words for number in word.lines}
    assert shown == set(range(len(explanation.lines)))
    for line in explanation.lines:
        places = [place for mark in line.marks for place in mark]
        assert places
        assert places == sorted(set(places))
        assert 0 <= places[0] < places[-1] <= len(line.text)


FOUND = [
    ("发票", "电子发票", Match.WHOLE, "电子[发票]"),
    ("发票", "統一發票!", Match.WHOLE, "統一[發票]!"),
    ("oic", "My Invoice", Match.INSIDE, "My Inv[oic]e"),
    ("invoice", "ＩＮＶＯＩＣＥ No", Match.WHOLE, "[ＩＮＶＯＩＣＥ] No"),
    ("cafe", "Cafe\u0301 au lait", Match.WHOLE, "[Cafe\u0301] au lait"),
    ("20260418", "on 2026-04-18, late", Match.WHOLE, "on [2026-04-18], late"),
    ("12345678", "card 1234 5678", Match.WHOLE, "card [1234 5678]"),
    ("AD39527", "车牌 沪A·D39527", Match.INSIDE, "车牌 沪[A·D39527]"),
    ("no", "nothing: no", Match.WHOLE, "nothing: [no]"),
    ('"no. A7"', "xno a7 no a7", Match.WHOLE, "xno a7 [no a7]"),
    ('"boarding pass"', "Boarding  Pass, gate", Match.WHOLE, "[Boarding  Pass], gate"),
    ("invoice", "the lnvoice", Match.NEAR, "the [lnvoice]"),
    ("ガイド", "ｶﾞｲﾄﾞ ﾌﾞｯｸ", Match.INSIDE, "[ｶﾞｲﾄﾞ] ﾌﾞｯｸ"),
]


@NEWEST
@pytest.mark.parametrize("case", FOUND, ids=lambda case: case[0])
async def test_a_word_is_marked_in_the_line_as_it_was_read(
    database: Database, library: Library, sync: IndexSync, case: tuple[str, str, Match, str]
) -> None:
    query, line, match, marked = case
    await library.add("something else", line)
    await sync.once()
    explanation = await (await searcher(database)).only(query)
    assert explanation.matches == [match]
    assert [word.lines for word in explanation.words] == [(0,)]
    (found,) = explanation.lines
    assert found.text == line
    top, bottom = pytest.approx(0.1), pytest.approx(0.2)
    assert found.corners == ((0, top), (1, top), (1, bottom), (0, bottom))
    shown, at = "", 0
    for start, end in found.marks:
        shown += f"{line[at:start]}[{line[start:end]}]"
        at = end
    assert shown + line[at:] == marked


@NEWEST
async def test_a_word_over_the_end_of_a_line_is_marked_in_both(
    database: Database, library: Library, sync: IndexSync
) -> None:
    await library.add("购物发", "…", "票 一张")
    await sync.once()
    explanation = await (await searcher(database)).only("发票")
    assert explanation.matches == [Match.BROKEN]
    assert [line.text[slice(*line.marks[0])] for line in explanation.lines] == ["发", "票"]
    assert explanation.words[0].lines == (0, 1)


@NEWEST
async def test_what_is_hidden_in_immich_is_not_shown(
    database: Database, library: Library, sync: IndexSync
) -> None:
    await library.add("发票 one", "发票 two")
    await library.run("UPDATE asset_ocr SET \"isVisible\" = false WHERE text = '发票 one'")
    await sync.once()
    explanation = await (await searcher(database)).only("发票")
    assert [line.text for line in explanation.lines] == ["发票 two"]


@NEWEST
async def test_several_words_are_told_apart_by_how_rare_they_are(
    database: Database, library: Library, sync: IndexSync
) -> None:
    for _ in range(5):
        await library.add("发票")
    await library.add("发票", ("in 杭州", 0.5))
    await sync.once()
    page, explanations = await (await searcher(database)).page("ocr:发票 杭州")
    assert len(page.hits) == 1
    (one,) = explanations
    common, rare = one.words
    assert [(word.alternatives, word.containing) for word in one.words] == [
        (("发票",), 6),
        (("杭州",), 1),
    ]
    assert one.texts == 6
    assert rare.rarity > common.rarity
    assert sum(one.shares) == pytest.approx(1)
    assert (one.every, one.phrase, one.counts) == (True, False, True)
    assert one.certainty < 1


@NEWEST
async def test_a_text_with_too_few_of_the_words_does_not_count_and_says_what_it_has(
    database: Database, library: Library, sync: IndexSync
) -> None:
    for _ in range(5):
        await library.add("发票")
    await library.add("西湖春天 杭州")
    found = await library.add("发票 only")
    await give_vector(library, found, "x")
    await sync.once()
    vector = [float(one) for one in vector_of("q").strip("[]").split(",")]
    _, explanations = await (await searcher(database)).page("发票 杭州 西湖春天", vector)
    told = {one.asset_id: one for one in explanations}[found]
    assert (told.counts, told.every) == (False, False)
    assert told.total == told.cosine
    assert told.matches[0] is Match.WHOLE
    assert set(told.matches[1:]) == {Match.NONE}
    assert [line.text for line in told.lines] == ["发票 only"]

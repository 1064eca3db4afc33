"""Ranking: better matches score more, and pages of a merged result neither repeat nor skip."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_aio.domain.ranking import (
    SURE,
    UNSURE,
    Hit,
    Match,
    Weights,
    are_enough,
    certainty,
    coverage,
    merge,
    rarity,
    text_score,
)

WEIGHTS = Weights()
WORDS = st.lists(
    st.tuples(st.sampled_from(list(Match)), st.floats(0.01, 20)), min_size=1, max_size=24
)


def score(*matches: float, phrase: bool = False, confidence: float = 1.0) -> float:
    """Of words that are equally rare."""
    return text_score(
        matches, [1.0] * len(matches), phrase=phrase, confidence=confidence, weights=WEIGHTS
    )


@given(WORDS, st.booleans(), st.floats(0, 1))
def test_scores_stay_between_nothing_and_perfect(
    words: list[tuple[Match, float]], phrase: bool, confidence: float
) -> None:
    matches, rarities = zip(*words, strict=True)
    found = text_score(matches, rarities, phrase=phrase, confidence=confidence, weights=WEIGHTS)
    assert 0 <= found <= 1 + 1e-9
    assert 0 <= coverage(matches, rarities) <= 1 + 1e-9


def test_a_perfect_text_scores_one_and_one_without_a_word_nothing() -> None:
    assert score(Match.WHOLE) == pytest.approx(1)
    assert score(Match.WHOLE, Match.WHOLE, phrase=True) == pytest.approx(1)
    assert score(Match.NONE, Match.NONE) == 0
    assert coverage([], []) == 0


def test_a_phrase_is_over_all_words_and_these_over_some() -> None:
    whole, none = Match.WHOLE, Match.NONE
    phrase = score(whole, whole, whole, phrase=True)
    together = score(whole, whole, whole)
    assert phrase > together > score(whole, whole, none) > score(whole, none, none) > 0


def test_all_words_inside_others_are_over_half_of_them_whole() -> None:
    assert score(Match.INSIDE, Match.INSIDE) > score(Match.WHOLE, Match.NONE)


def test_the_better_a_word_is_found_the_more_it_scores() -> None:
    scores = [score(one) for one in sorted(Match, reverse=True)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


def test_a_rare_word_is_over_a_common_one() -> None:
    rare, common = rarity(1, 1000), rarity(900, 1000)
    rarities = [rare, common]
    assert rare > common > 0
    with_rare, with_common = (
        text_score(matches, rarities, phrase=False, confidence=1, weights=WEIGHTS)
        for matches in ([1, 0], [0, 1])
    )
    assert with_rare > with_common
    assert coverage([1, 0], rarities) + coverage([0, 1], rarities) == pytest.approx(1)


def test_rarity_is_of_use_for_words_and_libraries_that_are_not_there() -> None:
    assert rarity(0, 0) == rarity(1, 1) > 0
    assert rarity(0, 1000) == rarity(1, 1000)


@given(st.floats(0, 1), st.floats(0, 1))
def test_what_was_read_more_surely_counts_no_less(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert certainty(low, WEIGHTS) <= certainty(high, WEIGHTS)


def test_confidence_counts_between_sure_and_unsure_only() -> None:
    assert certainty(SURE, WEIGHTS) == certainty(1, WEIGHTS) == 1
    assert certainty(UNSURE, WEIGHTS) == certainty(0, WEIGHTS) == pytest.approx(1 - WEIGHTS.unsure)
    assert score(Match.WHOLE, confidence=0.5) < score(Match.WHOLE, confidence=0.7) < 1


def hits(scores: list[float], first: int) -> list[Hit]:
    return [Hit(UUID(int=first + place), one) for place, one in enumerate(scores)]


SCORES = st.lists(st.integers(0, 6).map(float), max_size=12)


@given(SCORES, SCORES)
def test_merging_neither_repeats_nor_skips(one: list[float], other: list[float]) -> None:
    matched, others = hits(one, 0), hits(other, 100)
    merged = list(merge(matched, others))
    assert sorted(hit.asset_id for hit in merged) == [hit.asset_id for hit in matched + others]
    assert [hit for hit in merged if hit in matched] == matched
    assert [hit for hit in merged if hit in others] == others


@given(SCORES, SCORES, st.integers(0, 12))
def test_the_beginning_of_a_merged_result_depends_on_nothing_after_it(
    one: list[float], other: list[float], wanted: int
) -> None:
    matched, others = hits(one, 0), hits(other, 100)
    whole = list(merge(matched, others))
    assert list(merge(matched[:wanted], others[:wanted]))[:wanted] == whole[:wanted]


@given(SCORES, SCORES, st.integers(0, 12), st.integers(1, 20))
def test_others_that_are_enough_give_the_beginning_that_all_give(
    one: list[float], other: list[float], count: int, wanted: int
) -> None:
    matched, others = hits(one, 0), hits(other, 100)
    few = others[:count]
    if are_enough(matched, few, wanted):
        assert merge(matched, few)[:wanted] == merge(matched, others)[:wanted]
        assert len(merge(matched, few)) >= wanted
    elif len(few) >= wanted:
        pytest.fail("as many as are wanted are always enough")


@given(SCORES, SCORES)
def test_merging_two_orders_by_score_gives_one(one: list[float], other: list[float]) -> None:
    matched, others = (
        hits(sorted(one, reverse=True), 0),
        hits(sorted(other, reverse=True), 100),
    )
    merged = list(merge(matched, others))
    assert [hit.score for hit in merged] == sorted(one + other, reverse=True)
    # Of equal ones those with a text match are first.
    assert merged == sorted(merged, key=lambda hit: (-hit.score, hit.asset_id.int >= 100))

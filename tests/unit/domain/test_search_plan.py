"""The plan of a search: what is rare is scored whole, what is frequent is followed in an order."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_aio.domain.search_plan import (
    Frequencies,
    Texts,
    exact_at_most,
    plan_mixed,
    plan_text_only,
    rare_enough,
)

TEXTS = 400_000


def mixed(*counts: int) -> Texts:
    shares = [1 / len(counts)] * len(counts)
    return plan_mixed(Frequencies(TEXTS, counts), shares, 0.5)


def text_only(*counts: int) -> Texts:
    return plan_text_only(Frequencies(TEXTS, counts))


def test_without_words_no_text_is_looked_for() -> None:
    assert plan_mixed(Frequencies(TEXTS, ()), [], 0.5) is Texts.NONE
    assert text_only() is Texts.NONE


@pytest.mark.parametrize("rare", [0, 1, 500])
def test_texts_with_a_rare_word_are_all_scored(rare: int) -> None:
    assert mixed(rare) is Texts.SOME
    assert text_only(rare) is Texts.ALL


def test_texts_with_words_that_are_rare_only_together_are_scored() -> None:
    assert mixed(200_000, 20_000) is Texts.ALL
    assert text_only(200_000, 20_000) is Texts.ALL


@pytest.mark.parametrize(("documents", "word"), [(40_000, 5_000), (200_000, 11_000)])
def test_of_texts_with_a_frequent_word_the_newest_are_looked_at(documents: int, word: int) -> None:
    assert plan_text_only(Frequencies(documents, (word,))) is Texts.STREAM
    assert plan_text_only(Frequencies(documents, (word * 9 // 10,))) is Texts.ALL


def test_words_that_stand_in_a_row_are_as_one_word() -> None:
    apart = Frequencies(40_000, (12_000, 15_000))
    assert plan_text_only(apart) is Texts.ALL
    assert plan_text_only(replace(apart, in_a_row=11_000)) is Texts.STREAM


def test_all_texts_of_a_library_of_some_hundred_thousand_photos_are_scored() -> None:
    assert mixed(40_000) is Texts.ALL


def test_a_word_of_half_of_all_texts_is_followed_in_the_order_of_assets() -> None:
    assert mixed(200_000) is Texts.STREAM
    assert text_only(200_000) is Texts.STREAM


@pytest.mark.parametrize("documents", [0, 1, 5])
def test_a_library_of_any_size_has_a_plan(documents: int) -> None:
    frequencies = Frequencies(documents, (documents, 0))
    assert plan_mixed(frequencies, [0.5, 0.5], 0.5) is Texts.SOME
    assert plan_text_only(frequencies) is Texts.ALL


@pytest.mark.parametrize(
    ("texts", "shared", "alone", "halved"),
    [
        (4_000, False, True, False),
        (5_000, False, True, True),
        (10_000, True, False, False),
        (11_000, True, False, True),
    ],
)
def test_two_processes_look_at_many_texts_and_two_connections_bound_them(
    texts: int, shared: bool, alone: bool, halved: bool
) -> None:
    frequencies = Frequencies(40_000, (texts,), in_halves=True)
    assert frequencies.are_shared is shared
    assert frequencies.are_halved(alone=alone) is halved


def test_texts_of_an_index_of_before_are_bounded_by_one_connection() -> None:
    assert not Frequencies(40_000, (20_000,)).are_halved(alone=True)


def test_words_that_stand_in_a_row_are_in_as_many_texts_together_as_the_rarest_of_them() -> None:
    apart = Frequencies(40_000, (10_000, 4_000))
    assert apart.with_all == 1_000
    assert replace(apart, in_a_row=3_900).with_all == 4_000
    assert replace(apart, in_a_row=2_000).with_all == 1_000


@given(st.integers(0, 10**6), st.lists(st.integers(0, 10**6), max_size=5))
def test_no_more_texts_have_all_words_than_have_any_one(documents: int, counts: list[int]) -> None:
    with_all = Frequencies(documents, tuple(counts)).with_all
    assert 0 <= with_all <= min([documents, *counts])


@given(
    st.lists(st.integers(1, 100), min_size=1, max_size=6),
    st.floats(0.01, 1),
)
def test_every_text_with_enough_of_the_words_has_one_of_those_that_are_rare_enough(
    rarities: list[int], least: float
) -> None:
    shares = [one / sum(rarities) for one in rarities]
    looked_for = set(rare_enough(shares, least))
    for size in range(len(shares) + 1):
        for held in itertools.combinations(range(len(shares)), size):
            if sum(shares[number] for number in held) >= least + 1e-9:
                assert looked_for & set(held)


def test_the_rarest_word_alone_is_looked_for_where_no_text_has_enough_without_it() -> None:
    assert rare_enough([0.2, 0.7, 0.1], 0.5) == [1]
    assert rare_enough([0.5, 0.5], 0.5) == [0, 1]


def test_small_is_what_the_setting_says_and_where_the_index_would_be_slower() -> None:
    assert exact_at_most(100, 5000) == 5000
    assert exact_at_most(10**6, 5000) > 5000

"""The bits of a text: set for each of its words, and for few others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_aio.store.text.word_bits import bits_of, word_bits


def may_hold(bits: bytes, word: str) -> bool:
    """As PostgreSQL's get_bit() reads them."""
    return all(bits[place // 8] >> place % 8 & 1 for place in bits_of(word))


@given(st.sets(st.text(min_size=1), max_size=60))
def test_a_text_may_hold_each_of_its_words(words: set[str]) -> None:
    bits = word_bits(words)
    assert all(may_hold(bits, word) for word in words)


@pytest.mark.parametrize(("count", "share"), [(1, 0.0), (50, 0.01), (200, 0.12)])
def test_few_other_words_look_as_if_they_were_there(count: int, share: float) -> None:
    bits = word_bits(f"word {number}" for number in range(count))
    others = [f"other {number}" for number in range(5000)]
    assert sum(may_hold(bits, word) for word in others) <= share * len(others)


def test_a_text_without_words_may_hold_none() -> None:
    assert not any(word_bits([]))

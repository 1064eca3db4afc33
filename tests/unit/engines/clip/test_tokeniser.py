"""Texts become the tokens that cn_clip makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_aio.engines.clip.architecture import CONTEXT, VOCABULARY
from immich_aio.engines.clip.tokeniser import Tokeniser
from tests.clip_golden import TOKENS
from tests.reference.texts import COUNT, texts

TOKENISER = Tokeniser()
BEGIN, END, UNKNOWN = 101, 102, 100


def test_six_thousand_texts_of_every_kind_give_the_references_tokens() -> None:
    with np.load(TOKENS) as stored:
        expected = stored["tokens"]
    assert len(expected) == COUNT >= 5000
    for text, row in zip(texts(), expected, strict=True):
        tokens = TOKENISER.tokens(text)
        assert [*tokens, *[0] * (CONTEXT - len(tokens))] == row.tolist(), repr(text)


@given(st.text(max_size=300))
def test_any_text_gives_between_two_and_fifty_two_known_tokens(text: str) -> None:
    tokens = TOKENISER.tokens(text)
    assert 2 <= len(tokens) <= CONTEXT
    assert (tokens[0], tokens[-1]) == (BEGIN, END)
    assert all(0 < token < VOCABULARY for token in tokens)


@pytest.mark.parametrize("text", ["", " ", "\t\n\r", "\u3000", "\u200b\x00\x07", "\ufffd"])
def test_a_text_of_nothing_has_only_its_beginning_and_end(text: str) -> None:
    assert TOKENISER.tokens(text) == [BEGIN, END]


def test_an_overlong_text_is_cut_and_still_ends() -> None:
    tokens = TOKENISER.tokens("票" * 1000)
    assert len(tokens) == CONTEXT
    assert len(set(tokens[1:-1])) == 1


def test_half_a_surrogate_pair_does_no_harm() -> None:
    assert TOKENISER.tokens("\ud83d") == [BEGIN, UNKNOWN, END]


def test_upper_case_accents_and_full_width_blanks_make_no_difference() -> None:
    assert TOKENISER.tokens("Café\u3000TOTAL") == TOKENISER.tokens("cafe total")

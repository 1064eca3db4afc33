"""Every character of a folded line is traced back to where it was read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_aio.store.text.folding import fold
from immich_aio.store.text.origins import origins

TEXTS = st.text(st.sampled_from("aBé发發ＡＢ１ー한ﬁ-·, ①Æß\u0301ｶﾞパ㌔"), max_size=12)


@given(TEXTS)
def test_each_piece_folds_to_the_character_it_is_the_origin_of(line: str) -> None:
    solid = fold(line).replace(" ", "")
    found = origins(line)
    assert len(found) == len(solid)
    assert found == sorted(found)
    for character, (start, end) in zip(solid, found, strict=True):
        assert character in fold(line[start:end])


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("Ab c", [(0, 1), (1, 2), (3, 4)]),
        ("e\u0301a", [(0, 2), (2, 3)]),
        ("ﬁn", [(0, 1), (0, 1), (1, 2)]),
        ("ｶﾞ發", [(0, 2), (2, 3)]),
        ("1-2", [(0, 1), (2, 3)]),
        ("…", []),
    ],
)
def test_marks_belong_to_their_letter_and_punctuation_to_none(
    line: str, wanted: list[tuple[int, int]]
) -> None:
    assert origins(line) == wanted


def test_letters_that_are_put_together_from_several_are_not_traced() -> None:
    """A Hangul syllable of three characters is one when it is folded."""
    assert origins("\u1112\u1161\u11ab") == []

"""Grams: whatever word a text holds, the index finds the text by it."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_aio.store.text.folding import fold, fold_document
from immich_aio.store.text.grams import document_grams, is_cjk, query_grams

LINES = st.lists(
    st.text(st.sampled_from("增值税電子發票杭州ーガ가나abc12é -·/\u3000")) | st.text(), max_size=5
)


def hashed(*grams: str) -> list[int]:
    signed = [int.from_bytes(zlib.crc32(gram.encode()).to_bytes(4), signed=True) for gram in grams]
    return sorted(set(signed))


def test_cjk_is_cut_into_characters_and_pairs_other_text_into_trigrams() -> None:
    assert document_grams("电子票 no a1234") == hashed(
        "电", "子", "票", "电子", "子票", "^no$", "a12", "123", "234"
    )


def test_scripts_divide_runs() -> None:
    assert document_grams("沪ad39527") == hashed("沪", "ad3", "d39", "395", "952", "527")


def test_a_word_broken_over_two_lines_has_its_pair() -> None:
    assert set(hashed("发票")) <= set(document_grams("电子发\n票据"))
    assert not set(hashed("국어")) <= set(document_grams("한국\n어가"))
    assert document_grams("ab\ncd") == hashed("^ab$", "^cd$")


@pytest.mark.parametrize(
    ("word", "grams"),
    [
        ("发票", ["发票"]),
        ("电子票", ["电子", "子票"]),
        ("票", ["票"]),
        ("ab", ["^ab$"]),
        ("invoice", ["inv", "nvo", "voi", "oic", "ice"]),
        ("沪ad395", ["沪", "ad3", "d39", "395"]),
        ("票ab", ["票"]),
        ("12号no", ["号"]),
        ("票ab号", ["票", "^ab$", "号"]),
        ("sf 1029 33", ["102", "029"]),
        ("no 88", ["^no$", "^88$"]),
        ("", []),
    ],
)
def test_a_word_asks_for_the_rarest_pieces_that_it_has(word: str, grams: list[str]) -> None:
    assert query_grams(word) == hashed(*grams)


def test_grams_are_numbers_that_postgresql_holds() -> None:
    grams = document_grams("".join(map(chr, range(0x4E00, 0x5200))))
    assert grams == sorted(set(grams))
    assert grams[0] < 0 < grams[-1]
    assert all(-(2**31) <= gram < 2**31 for gram in grams)


@given(LINES, st.data())
def test_every_text_that_holds_a_word_has_all_grams_of_the_word(
    lines: list[str], data: st.DataObject
) -> None:
    folded = fold_document(lines)
    words = [(word, start) for word in folded.split() for start in range(len(word))]
    if not words:
        assert document_grams(folded) == []
        return
    whole, start = data.draw(st.sampled_from(words))
    end = data.draw(st.integers(start + 1, len(whole)))
    if _cuts_a_short_run(whole, start, end):
        return
    assert set(query_grams(whole[start:end])) <= set(document_grams(folded))


@given(st.text(max_size=20))
def test_a_text_is_found_by_each_of_its_own_words(text: str) -> None:
    folded = fold(text)
    for word in folded.split():
        assert set(query_grams(word)) <= set(document_grams(folded))


def _cuts_a_short_run(whole: str, start: int, end: int) -> bool:
    """Whether it is one or two other characters alone, which are found as words only."""
    word = whole[start:end]
    others = [character for character in word if not is_cjk(character)]
    return len(word) == len(others) < 3 and word != whole

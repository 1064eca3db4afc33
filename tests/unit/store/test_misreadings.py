"""Misread words: whatever one wrong character makes of a word, it is found; other words are not."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from immich_aio.domain.text_query import Needle
from immich_aio.store.text.grams import document_grams
from immich_aio.store.text_match import intact_grams
from immich_aio.store.word_match import MAX_MISREAD, intact, misreadable, misreadings, rules


def like(text: str, pattern: str) -> bool:
    """What LIKE does."""
    parts = {"%": ".*", "_": "."}
    written = "".join(parts.get(one, re.escape(one)) for one in pattern)
    return re.fullmatch(written, text, re.DOTALL) is not None


def is_found(word: str, text: str) -> bool:
    return any(like(text, pattern) for pattern in misreadings(word))


def one_away(word: str, *, as_number: bool = False) -> set[str]:
    """Every text that one edit makes of a word, with ``?`` as the wrong character."""
    places = range(len(word))
    replaced = {word[:at] + "?" + word[at + 1 :] for at in places}
    if as_number:
        return replaced
    missing = {word[:at] + word[at + 1 :] for at in places}
    too_many = {word[:at] + "?" + word[at:] for at in places[1:]}
    swapped = {word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in places[:-1]}
    return (replaced | missing | too_many | swapped) - {word}


WORDS = st.text(st.sampled_from("abcdefgh发票电子"), min_size=4, max_size=12)


@given(WORDS)
def test_a_word_is_found_with_any_one_character_misread(word: str) -> None:
    for misread in one_away(word):
        assert is_found(word, misread), misread
        assert is_found(word, f"x\n{misread}\ny"), misread


@given(WORDS | st.text("发票电子增值", min_size=3, max_size=3), st.data())
def test_what_a_misread_word_leaves_is_there_wherever_it_is_found(
    word: str, data: st.DataObject
) -> None:
    pattern = data.draw(st.sampled_from(misreadings(word)))
    text = pattern.replace("_", data.draw(st.sampled_from("a发\n "))).replace("%", "x")
    assert any(like(text, one) for one in intact(word))


@given(WORDS, st.data())
def test_a_piece_of_a_misread_run_is_found_as_it_is_or_misread(
    run: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(run) - 1))
    piece = run[start : data.draw(st.integers(start + 1, len(run)))]
    assume(misreadable(Needle(run)))
    *_, misread = rules(Needle(piece, part_of=run), near=True)
    text = data.draw(st.sampled_from(sorted(one_away(run))))
    stands_alone = f" {piece} " in f" {text} "
    is_short = piece.isascii() and len(piece) < 3
    if (piece not in text) or (is_short and not stands_alone):
        assert any(like(text, pattern) for pattern in misread.patterns)


@given(WORDS.filter(lambda word: len(word) > 6) | st.text("发票电子增值", min_size=3, max_size=6))
def test_the_index_finds_every_text_with_a_word_misread(word: str) -> None:
    short = {word[0] + "?" + word[2:], word[0] + " " + word[1:], word[:2] + " " + word[2:]}
    for misread in short if len(word) == 3 else one_away(word):
        grams = set(document_grams(f"x {misread.replace('?', '口')} y"))
        assert any(grams.issuperset(left) for left in intact_grams(word)), misread


@pytest.mark.parametrize("misread", ["hote1", "hot3l", "h0tel", "motel", "otel", "hotl", "ohtel"])
def test_the_index_finds_a_word_of_five_letters_whose_middle_is_right(misread: str) -> None:
    grams = set(document_grams(misread))
    assert any(grams.issuperset(left) for left in intact_grams("hotel"))


@given(st.text(st.sampled_from("0123456789"), min_size=5, max_size=12))
def test_a_number_is_found_with_a_digit_misread(number: str) -> None:
    for misread in one_away(number, as_number=True):
        assert is_found(number, misread)


@pytest.mark.parametrize("other", ["no 1234678 x", "no 123455678 x", "no 12435678"])
def test_a_number_with_a_digit_more_or_less_inside_or_two_swapped_is_another(other: str) -> None:
    assert not is_found("12345678", other)


def test_a_word_of_three_is_found_by_its_ends_only() -> None:
    for found in ("增?税", "增 值税", "增值 税"):
        assert is_found("增值税", found)
    for other in ("?值税", "增值?", "增税", "值税", "税值增"):
        assert not is_found("增值税", other)


@given(WORDS.filter(lambda word: len(word) > 6), st.data())
def test_a_word_with_three_characters_misread_is_another(word: str, data: st.DataObject) -> None:
    places = data.draw(st.sets(st.integers(0, len(word) - 1), min_size=3, max_size=3))
    other = "".join("?" if at in places else one for at, one in enumerate(word))
    assert not is_found(word, f"{other} and more")


@pytest.mark.parametrize(
    ("needle", "texts"),
    [
        (Needle("增值税"), ["增值税"]),
        (Needle("发票"), []),
        (Needle("发票", part_of="电子发票"), ["电子发票"]),
        (Needle("invoice"), ["invoice"]),
        (Needle("note"), []),
        (Needle("invoice", exact=True), []),
        (Needle("red car"), []),
        (Needle("a" * (MAX_MISREAD + 1)), []),
    ],
)
def test_long_words_that_were_not_quoted_are_looked_for_misread(
    needle: Needle, texts: list[str]
) -> None:
    assert misreadable(needle) == texts

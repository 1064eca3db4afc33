"""CTC's steps become characters, and the pieces of a long line one text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_aio.engines.ocr.spelling import Spelling, decode, join
from immich_aio.engines.sessions import Tensor

ALPHABET = ["", "a", "b", "中", " "]
BLANK, A, B, CHINESE, SPACE = range(5)


def steps(*classes: int, sure: float = 0.9) -> Tensor:
    """Probabilities of shape (steps, classes) whose best are these."""
    found = np.full((len(classes), len(ALPHABET)), (1 - sure) / 4, np.float32)
    found[np.arange(len(classes)), list(classes)] = sure
    return found


def text_of(*classes: int) -> str:
    return decode(steps(*classes), ALPHABET, 8 * len(classes)).reading.text


def test_repeats_collapse() -> None:
    assert text_of(A, A, A, B, B) == "ab"


def test_a_blank_between_equal_characters_keeps_both() -> None:
    assert text_of(A, BLANK, A, A, BLANK, BLANK, A) == "aaa"


def test_blanks_vanish_at_both_ends() -> None:
    assert text_of(BLANK, BLANK, CHINESE, BLANK) == "中"


def test_spaces_are_characters() -> None:
    assert text_of(A, SPACE, SPACE, B) == "a b"


def test_nothing_but_blanks_is_an_empty_text_of_score_zero() -> None:
    reading = decode(steps(BLANK, BLANK), ALPHABET, 16).reading
    assert (reading.text, reading.score) == ("", 0.0)


def test_the_score_is_the_mean_of_the_characters_that_count() -> None:
    probabilities = np.concatenate([steps(A, sure=0.8), steps(BLANK, sure=0.3), steps(B, sure=0.6)])
    assert decode(probabilities, ALPHABET, 24).reading.score == pytest.approx(0.7)


def test_a_character_counts_by_the_first_of_its_steps() -> None:
    probabilities = np.concatenate([steps(A, sure=0.9), steps(A, sure=0.5)])
    assert decode(probabilities, ALPHABET, 16).reading.score == pytest.approx(0.9)


def test_characters_know_where_they_stand_in_pixels() -> None:
    spelling = decode(steps(BLANK, A, BLANK, B), ALPHABET, 32)
    assert spelling.characters == ["a", "b"]
    assert spelling.places.tolist() == [12, 28]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40))
def test_decoding_agrees_with_the_definition_of_ctc(classes: list[int]) -> None:
    collapsed = [one for at, one in enumerate(classes) if at == 0 or classes[at - 1] != one]
    assert text_of(*classes) == "".join(ALPHABET[one] for one in collapsed)


def spelled(characters: str, places: list[float], score: float = 1.0) -> Spelling:
    return Spelling(list(characters), np.array(places), np.full(len(places), score, np.float32))


def test_pieces_that_both_show_a_character_give_it_once() -> None:
    left = spelled("abc", [10, 50, 90])
    right = spelled("cde", [92, 130, 170])
    assert join([left, right], [(60, 120)]).reading.text == "abcde"


def test_what_a_piece_misreads_at_its_cut_edge_is_not_taken() -> None:
    left = spelled("abc?", [10, 50, 90, 118])
    right = spelled("!cde", [62, 92, 130, 170])
    assert join([left, right], [(60, 120)]).reading.text == "abcde"


def test_empty_pieces_are_joined_too() -> None:
    empty = spelled("", [])
    assert join([empty, empty], [(60, 120)]).reading.text == ""
    assert join([spelled("a", [10]), empty], [(60, 120)]).reading.text == "a"
    assert join([empty, spelled("b", [150])], [(60, 120)]).reading.text == "b"


def test_the_score_of_a_joined_line_is_the_mean_over_its_characters() -> None:
    left, right = spelled("abc", [10, 20, 30], 1.0), spelled("d", [150], 0.6)
    assert join([left, right], [(60, 120)]).reading.score == pytest.approx(0.9)


@given(st.data())
def test_a_line_of_any_pitch_is_whole_wherever_it_is_parted(data: st.DataObject) -> None:
    """Pieces place a character up to half a step apart, and misread one that an edge cuts."""
    pitch = data.draw(st.integers(20, 44), "pitch")
    first = data.draw(st.integers(0, 60), "first")
    count = data.draw(st.integers(0, 60), "count")
    text = "".join(chr(0x4E00 + number) for number in range(count))
    length = 500
    lefts = range(0, max(1, first + count * pitch - 96), length - 96)

    def piece(left: int) -> Spelling:
        characters, places = "", []
        for number, character in enumerate(text):
            start, end = first + number * pitch, first + (number + 1) * pitch
            whole = left <= start and end <= left + length
            shown = min(end, left + length) - max(start, left)
            if shown > 4:
                characters += character if whole else "?"
                middle = (max(start, left) + min(end, left + length)) / 2
                places.append(middle + data.draw(st.integers(-4, 4)))
        return spelled(characters, places)

    shared = [(float(left), float(left + 96)) for left in lefts[1:]]
    assert join([piece(left) for left in lefts], shared).reading.text == text

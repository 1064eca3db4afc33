"""Folding: what people take for the same is found as the same, and nothing else is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from immich_aio.store.text.folding import fold, fold_document

SAME = [
    ("Ｉｎｖｏｉｃｅ　Ｎｏ．１２", "invoice no 12"),
    ("ﬁne ①②", "fine 12"),
    ("Straße CAFÉ Łódź Ærø", "strasse cafe lodz aero"),
    ("Ά ΌΣΟΣ ς", "α οσοσ σ"),
    ("Ёлка Й", "елка и"),
    ("İstanbul ıI", "istanbul ii"),
    ("電子發票", "电子发票"),
    ("乾隆 頭髮 皇后", "干隆头发皇后"),
    ("增值税（电子）普通 发票", "增值税电子普通发票"),
    ("ジョン・スミス", "ジョンスミス"),
    ("ｶﾞｷﾞｸﾞ", "ガギグ"),
    ("한국어  텍스트", "한국어 텍스트"),
    ("¥ 1,234.50 / 个", "1 234 50 个"),
    ("发票 No 12 号", "发票 no 12 号"),
    ("e\u0301te\u0301 х\u0301", "ete х"),
    ("co\u00adoperate", "cooperate"),
    ("ภาษาไทย हिन्दी", "ภาษาไทย हिन्दी"),
    ("a\nb\u2028c\td", "a b c d"),
    ("—…！", ""),
    ("", ""),
]


@pytest.mark.parametrize(("line", "folded"), SAME)
def test_a_line_is_folded_as_people_read_it(line: str, folded: str) -> None:
    assert fold(line) == folded


@pytest.mark.parametrize(("one", "other"), [("か", "が"), ("ハ", "パ"), ("가", "까"), ("发", "友")])
def test_characters_that_differ_stay_different(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_traditional_and_simplified_are_the_same_for_every_character_of_both() -> None:
    assert fold("臺灣計程車運價證明 憂鬱的龜") == fold("台湾计程车运价证明忧郁的龟")


@given(st.text())
@example("乾濕鐘鍾 ǅ ΐ ŉ")
def test_folding_twice_is_folding_once(line: str) -> None:
    once = fold(line)
    assert fold(once) == once


@given(st.text())
def test_a_folded_line_holds_letters_digits_and_single_spaces_only(line: str) -> None:
    folded = fold(line)
    assert folded == " ".join(folded.split(" ")).strip()
    assert "  " not in folded
    for character in folded:
        assert character == " " or unicodedata.category(character)[0] in "LNM"


def test_a_document_has_its_lines_in_order_and_no_empty_ones() -> None:
    assert fold_document(["电子發票", "～～", "Total 12"]) == "电子发票\ntotal 12"
    assert fold_document([]) == fold_document(["--", ""]) == ""


@pytest.mark.parametrize(
    ("line", "joined"),
    [
        ("沪A·D39527", "沪ad39527"),
        ("2026-04-18", "20260418"),
        ("Tel 0571-8888", "05718888"),
        ("SF-1029/33", "sf102933"),
        ("a@b.com", "abcom"),
        ("２０２６．０４．１８ 10:30", "20260418 1030"),
        ("IMG_0001.jpg IMG_0001.jpg", "img0001jpg"),
        ("don't", "dont"),
    ],
)
def test_what_punctuation_divides_is_found_joined_too(line: str, joined: str) -> None:
    assert fold_document([line, "end"]) == f"{fold(line)}\nend\n{joined}"


@pytest.mark.parametrize("line", ["发票（电子）", "total (12)", "- 12 -", "一、二", "12 34", "a."])
def test_what_punctuation_only_surrounds_is_not_joined(line: str) -> None:
    assert fold_document([line]) == fold(line)


def test_a_line_break_inside_a_line_does_not_divide_it() -> None:
    assert fold_document(["a\nb", "c"]) == "a b\nc"

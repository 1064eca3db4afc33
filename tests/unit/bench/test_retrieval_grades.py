"""What a photo is worth to who searches; a misreading is written {truth|reading}."""

import pytest

from bench.retrieval_grades import UNJUDGED, Photo, Query, parsed
from bench.retrieval_misreading import planned, wrapped


def grade(typed: str, *lines: str, together: bool = False) -> int:
    photo = Photo([planned(line) for line in lines])
    return photo.grade(Query("", typed, typed, together))


@pytest.mark.parametrize(
    ("typed", "line", "worth"),
    [
        ("发票", "发票号码：1234", 3),
        ("发票", "请开发票给我", 3),
        ("发票", "浙江增值税电子普通发票", 2),
        ("发票", "发 票", 3),
        ("发票", "开发，票据", 0),
        ("票", "票 2张", 3),
        ("票", "车票", 2),
        ("元", "12元", 3),
        ("上海", "上海虹桥站", 3),
        ("虹桥", "虹桥路12号", 2),
        ("京都", "東京都庁", 1),
        ("京都", "京都駅", 3),
        ("invoice", "INVOICE", 3),
        ("invoice", "All invoices", 2),
        ("invoice", "in voice", 0),
        ("cafe", "Café Müller", 3),
        ("café", "cafe2025", 2),
        ("電子發票", "电子发票", 3),
        ("发票", "統一發票", 3),
        ("１２", "12", 3),
        ("ﾚｼｰﾄ", "レシート", 3),
        ("かき", "がき", 0),
        ("コーヒー", "アイスコーヒー", 2),
        ("コーヒー", "コーヒーを飲む", 3),
        ("부산", "부산역", 2),
        ("D39527", "沪A·D39527", 3),
        ("沪AD39527", "沪A·D39527", 3),
        ("沪A·D39527", "沪AD39527", 3),
        ("395", "沪A·D39527", 2),
        ("39527", "沪A·D39572", 0),
        ("12.50", "12.50元", 3),
        ("1250", "12.50", 0),
        ("12.50", "1250", 0),
        ("6222023144718842", "6222 0231 4471 8842", 3),
        ("1122", "11 22", 0),
        ("87651234", "0571-87651234", 3),
    ],
)
def test_a_word_of_its_own_is_worth_more_than_a_part(typed: str, line: str, worth: int) -> None:
    assert grade(typed, line) == worth


def test_the_best_place_of_a_word_counts() -> None:
    assert grade("发票", "增值税电子普通发票", "发票代码") == 3
    assert grade("invoice", "inv{o|0}ice", "invoice") == 3


def test_all_words_must_be_there() -> None:
    assert grade("杭州 发票", "发票代码", "杭州市") == 3
    assert grade("杭州 发票", "普通发票", "杭州市") == 2
    assert grade("杭州 发票", "发票代码") == 0


def test_the_words_of_a_name_are_worth_most_together() -> None:
    assert grade("上海 虹桥", "上海虹桥站", together=True) == 3
    assert grade("上海 虹桥", "上海", "虹桥", together=True) == 2
    assert grade("上海 虹桥", "虹桥，上海", together=True) == 2
    assert grade("wet floor", "Wet\tFloor", together=True) == 3


def test_a_quoted_phrase_must_stand_together() -> None:
    assert grade('"上海虹桥"', "上海 虹桥") == 3
    assert grade('"machine learning"', "Machine learning is") == 3
    assert grade('"machine learning"', "learning of a machine") == 0


def test_an_excluded_word_must_not_be_there() -> None:
    assert grade("发票 -杭州", "发票", "上海") == 3
    assert grade("发票 -杭州", "发票", "杭州") == 0
    assert grade("发票 -杭州", "发票", "{杭|抗}州") == UNJUDGED


@pytest.mark.parametrize(
    ("typed", "line", "worth"),
    [
        ("普通发票", "普通{发|友}票", 2),
        ("识别号", "识{别|另}号", 1),
        ("发票", "{发|友}票", UNJUDGED),
        ("modern", "{m|rn}odern", 2),
        ("thank you", "Thank{ |}you", 2),
        ("3309", "33{0|O}9", 2),
    ],
)
def test_a_misreading_lowers_the_grade_by_its_share(typed: str, line: str, worth: int) -> None:
    assert grade(typed, line) == worth


def test_a_word_cut_in_two_is_worth_less() -> None:
    cut = Photo([wrapped(planned("我们在图书馆见"), 8)])
    assert cut.grade(Query("", "图书馆", "图书馆")) == 2
    assert cut.grade(Query("", "我们", "我们")) == 3


def test_what_was_read_but_is_not_there_is_not_judged() -> None:
    assert grade("未来", "{末|未}来") == UNJUDGED
    assert grade("未来", "将来") == 0


def test_quotes_and_minus_are_told_from_words() -> None:
    assert parsed('发票 "上海 虹桥" -杭州 -“西湖区” a-b') == (
        ["发票", "上海 虹桥", "a-b"],
        ["杭州", "西湖区"],
    )

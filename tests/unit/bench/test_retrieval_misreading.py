from random import Random

from bench.retrieval_folding import fold
from bench.retrieval_misreading import misread, planned, texts, wrapped

LINE = "浙江增值税电子普通发票 No. 10580 modern (O, l) 天人土"


def test_without_a_plan_a_line_is_read_as_it_is() -> None:
    assert texts(planned(LINE)) == [LINE]


def test_a_planned_misreading_keeps_the_truth() -> None:
    line = planned("国家{图|囤}书馆 Dep{art|an}ment Cent{m|rn}")
    assert texts(line) == ["国家囤书馆 Depanment Centrn"]
    assert "".join(one.true for one in line) == "国家图书馆 Department Centm"


def test_every_kind_of_error_is_drawn_and_the_truth_is_kept() -> None:
    dice = Random(1)  # noqa: S311  # repeatable, not secret
    read = [misread(planned(LINE), dice) for _ in range(3000)]
    assert all("".join(one.true for one in line) == LINE for line in read)
    found = [texts(line) for line in read]
    whole = [lines[0] for lines in found if len(lines) == 1]
    for wrong in ("发粟", "友票", "电于", "l05", "1O5", "rnodern", "modem", "０", "夫", "(O l)"):
        assert any(wrong in text for text in whole), wrong
    assert any(" " in text.split(" No")[0] for text in whole)
    assert any(len(lines) == 2 and lines[0].endswith("增") for lines in found)
    assert LINE in whole


def test_full_width_digits_are_no_other_digits() -> None:
    dice = Random(2)  # noqa: S311  # as above
    wide = {text for _ in range(500) for text in texts(misread(planned("12345678"), dice))}
    assert "１２３４５６７８" in wide
    assert fold("１２３４５６７８") == "12345678"


def test_a_paragraph_is_cut_between_chinese_characters_or_at_spaces() -> None:
    assert texts(wrapped(planned("甲乙丙丁戊"), 4)) == ["甲乙", "丙丁", "戊"]
    assert texts(wrapped(planned("one two three"), 5)) == ["one two", "three"]

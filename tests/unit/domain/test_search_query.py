"""Queries: what was typed is taken apart as people mean it, and anything can be typed."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from immich_aio.domain.search_query import MAX_TERMS, SearchQuery, Term, parse_query

ANYTHING = st.text(st.characters()) | st.text(
    st.sampled_from('ab发票 \t|｜-－"“”「」„:：ocrOCR\0\ud800\n')
)
"""Text with everything in it that a keyboard or a broken client may send."""


def written(query: SearchQuery) -> str:
    """A query as tests write it: clauses by spaces, terms by /, quoted ones in brackets."""

    def term(one: Term) -> str:
        return f"[{one.text}]" if one.quoted else one.text

    clauses = ["/".join(map(term, clause)) for clause in query.clauses]
    return " ".join([*clauses, *(f"not:{term(one)}" for one in query.excluded)])


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("发票 杭州", "发票 杭州"),
        ('"上海 虹桥"', "[上海 虹桥]"),
        ("-酒店", "not:酒店"),
        ("发票 OR 收据", "发票/收据"),
        ("发票|收据", "发票/收据"),
        ("发票 ｜ 收据", "发票/收据"),
        ("a b OR c d", "a b/c d"),
        ("a OR b OR c", "a/b/c"),
        ("a or b", "a or b"),
        ("发票\u3000杭州", "发票 杭州"),
        ("“上海 虹桥”", "[上海 虹桥]"),
        ("「上海 虹桥」『东站』", "[上海 虹桥] [东站]"),
        ("„straight“ ahead", "[straight] ahead"),
        ('"never closed', "[never closed]"),
        ('"" a', "a"),
        ('a"b c"d', "a [b c] d"),
        ("－酒店 杭州", "杭州 not:酒店"),
        ('-"上海 虹桥" 站', "站 not:[上海 虹桥]"),
        ("2026-04-18", "2026-04-18"),
        ("e-mail", "e-mail"),
        ("a - b", "a - b"),
        ("--a", "--a"),
        ("OR a OR", "a"),
        ("| |", ""),
        ("a OR -b c", "a c not:b"),
        ("-OR", "not:OR"),
        ('"OR"', "[OR]"),
        ("", ""),
        (" \n ", ""),
        ("a\0b", "a b"),
    ],
)
def test_a_query_is_taken_apart_as_it_is_meant(typed: str, meant: str) -> None:
    assert written(parse_query(typed)) == meant


@pytest.mark.parametrize(
    "typed", ["ocr:发票", "OCR:发票", "ocr：发票", " Ocr : 发票", "ocr:\n发票", "ocr ：发票"]
)
def test_text_only_is_asked_for_by_ocr_and_a_colon_of_either_width(typed: str) -> None:
    query = parse_query(typed)
    assert (query.text_only, written(query), query.meaning) == (True, "发票", "发票")


@pytest.mark.parametrize("typed", ["ocr 发票", "myocr:发票", "a ocr:发票", "-ocr:发票"])
def test_ocr_elsewhere_is_a_word(typed: str) -> None:
    assert not parse_query(typed).text_only


@pytest.mark.parametrize(
    ("typed", "meaning"),
    [
        ("a dog,  on the beach!", "a dog,  on the beach!"),
        ("  a dog ", "a dog"),
        ("dog -cat", "dog"),
        ('"red car" road', "red car road"),
        ("cat OR dog", "cat dog"),
        ("-cat", ""),
        ("ocr:", ""),
    ],
)
def test_the_meaning_is_what_was_typed_without_the_operators(typed: str, meaning: str) -> None:
    assert parse_query(typed).meaning == meaning


def test_words_beyond_the_limit_count_for_the_meaning_only() -> None:
    typed = " ".join(f"w{number}" for number in range(2 * MAX_TERMS))
    query = parse_query(typed)
    assert len(query.clauses) == MAX_TERMS
    assert query.meaning == typed
    assert len(parse_query(" ".join(f"-w{n}" for n in range(2 * MAX_TERMS))).excluded) == MAX_TERMS


@given(ANYTHING)
@example("ocr：" * 3)
@example('-"')
def test_anything_is_a_query(typed: str) -> None:
    query = parse_query(typed)
    terms = [term for clause in query.clauses for term in clause] + list(query.excluded)
    assert all(term.text.strip() and "\0" not in term.text for term in terms)
    assert all(query.clauses)
    assert query.is_empty == (not query.clauses)


@given(st.lists(st.text(st.sampled_from("ab发票0"), min_size=1), max_size=10))
def test_words_without_operators_are_all_wanted_in_their_order(words: list[str]) -> None:
    query = parse_query(" ".join(words))
    assert written(query) == " ".join(words) == query.meaning

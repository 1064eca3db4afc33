"""Immich's tokens: pairs of CJK characters, and words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_aio.domain.tokens import search_tokens

CASES = [
    ("", ""),
    (" \t\n", ""),
    ("发票", "发票"),
    ("票", "票"),
    ("蓝天白云", "蓝天 天白 白云"),
    ("Hello World", "Hello World"),
    ("发票 Invoice 40", "发票 Invoice 40"),
    ("沪A·D39527", "沪 A·D39527"),
    ("ラーメン850円", "ラー ーメ メン 850 円"),
    ("인천공항", "인천 천공 공항"),
    ("café\u00a0bar", "café\u00a0bar"),  # only what is up to U+0020 divides
    ("全角，标点", "全角 ， 标点"),
    ("𠮷野家", "𠮷 野家"),  # beyond the first plane nothing counts as CJK
]


@pytest.mark.parametrize(("text", "tokens"), CASES)
def test_tokens_are_immichs(text: str, tokens: str) -> None:
    assert search_tokens(text) == tokens


@given(st.text(alphabet=st.sampled_from("票发云 aB1，\tラ한")))
def test_no_character_is_lost_and_none_is_added(text: str) -> None:
    assert set(search_tokens(text)) - {" "} == set(text) - {" ", "\t"}

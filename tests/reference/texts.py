"""Texts of every kind for comparing tokenisers; made by a rule, so that they need not be stored."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator

COUNT = 6000
_VISIBLE = """
    发票 电子发票 增值税电子普通发票 增值稅電子普通發票 杭州西湖 沪A·D39527 京B12345 微信支付
    ¥128.00 2024-05-01 13:45 No.00123456 SF1234567890 合计 (小写) 身份證 東京タワー
    領収書 りんご 사과 서울
    Invoice invoice's receipt, TOTAL: don't naïve Ångström façade STRASSE straße ﬁancé İstanbul
    Ελλάς ΣΊΣΥΦΟΣ Привет шалом مرحبا नमस्ते 你好world hello世界 iPhone15Pro C++ C# .NET node.js
    https://example.org/a?b=c user@example.org [CLS] [SEP] [UNK] [MASK] ##ing 🐱 👨‍👩‍👧 🇨🇳 ☺️
    1️⃣ ①②③ Ⅷ ㎏ ㍿ ½ ＡＢＣ１２３ ｶﾀｶﾅ が か\u3099 e\u0301
"""
_WORDS = [*_VISIBLE.split(), *"\u200d\u202e\ufeff\u00ad\u3000\u2028\u0085\ufffd"]


def texts() -> Iterator[str]:
    """COUNT texts: words, characters of each script, mixtures, control characters, long ones."""
    chance = random.Random(20261125)  # noqa: S311  # repeatable, not secret
    for number in range(COUNT):
        yield _KINDS[number % len(_KINDS)](chance)


def _of_words(chance: random.Random) -> str:
    return " ".join(chance.choices(_WORDS, k=chance.randint(0, 30)))


def _run_together(chance: random.Random) -> str:
    return "".join(chance.choices(_WORDS, k=chance.randint(1, 12)))


def _chinese(chance: random.Random) -> str:
    return "".join(chr(chance.randint(0x4E00, 0x9FFF)) for _ in range(chance.randint(1, 70)))


def _of_all_scripts(chance: random.Random) -> str:
    blocks = ((0x20, 0x17F), (0x370, 0x5FF), (0x900, 0xDFF), (0x1E00, 0x33FF), (0xA960, 0xD7A3),
              (0xF900, 0xFAD9), (0xFE30, 0xFFEE), (0x20000, 0x2A6DD))  # fmt: skip
    characters = (chr(chance.randint(*chance.choice(blocks))) for _ in range(chance.randint(1, 60)))
    # Newer Pythons know characters that older ones do not; of those of Unicode 3.2 all know.
    known = unicodedata.ucd_3_2_0
    return "".join(each if known.category(each) != "Cn" else "?" for each in characters)


def _of_ascii(chance: random.Random) -> str:
    return "".join(chr(chance.randint(0, 0x7F)) for _ in range(chance.randint(1, 80)))


def _overlong(chance: random.Random) -> str:
    word = chance.choice(("x", "发", "é", "9", "り", "-"))
    return f"{word * chance.randint(190, 210)} {chance.choice(_WORDS)}"


_KINDS = (_of_words, _run_together, _chinese, _of_all_scripts, _of_ascii, _overlong)

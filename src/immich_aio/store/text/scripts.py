"""Scripts in which words are not divided by spaces, as ranges for regular expressions."""

from __future__ import annotations

import re

HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
KANA = "\u3041-\u3096\u3099-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\U0001aff0-\U0001b16f"
HANGUL = "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"
"""With the single letters; those for compatibility become these when text is normalised."""
CJK = HAN + KANA + HANGUL

_CJK = re.compile(f"[{CJK}]")
_HAN_OR_KANA = re.compile(f"[{HAN}{KANA}]")


def is_cjk(character: str) -> bool:
    """Whether it is a Han, kana or Hangul character."""
    return _CJK.match(character) is not None


def is_han_or_kana(character: str) -> bool:
    """Whether it is of a script that is written without spaces."""
    return _HAN_OR_KANA.match(character) is not None

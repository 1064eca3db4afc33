"""The tokens by which Immich 3.x searches text: pairs of CJK characters, and other words."""

from __future__ import annotations

import re

_CJK = "\u3040-\u309f\u30a0-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_RUNS = re.compile(rf"[{_CJK}]+|[^\x00-\x20{_CJK}]+")
_IS_CJK = re.compile(rf"[{_CJK}]")


def search_tokens(text: str) -> str:
    """Give the tokens of a text, joined by spaces: as stored in ``ocr_search``, and as asked for.

    A run of CJK characters becomes its pairs, a single one stays; everything up to U+0020 divides.
    """
    return " ".join(token for run in _RUNS.findall(text) for token in _tokens(run))


def _tokens(run: str) -> list[str]:
    if len(run) == 1 or not _IS_CJK.match(run):
        return [run]
    return [run[start : start + 2] for start in range(len(run) - 1)]

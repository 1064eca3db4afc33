"""From a folded line back to the line as it was read."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

from immich_aio.store.text.folding import fold

_VOICED = "\uff9e\uff9f"
"""The marks of half-width kana, which are characters of their own until they are normalised."""


def origins(line: str) -> list[tuple[int, int]]:
    """Where each character of the folded line, spaces left out, comes from in the line.

    Each as the first character and the one after the last. Empty where that cannot be told, as of
    scripts whose letters are put together from several characters.
    """
    found: list[tuple[int, int]] = []
    solid = ""
    for start, end in _clusters(line):
        piece = fold(line[start:end]).replace(" ", "")
        solid += piece
        found += [(start, end)] * len(piece)
    return found if solid == fold(line).replace(" ", "") else []


def _clusters(line: str) -> list[tuple[int, int]]:
    """Characters, each with the marks that belong to it."""
    starts = [at for at, one in enumerate(line) if at == 0 or not _is_mark(one)]
    return list(pairwise([*starts, len(line)]))


def _is_mark(character: str) -> bool:
    return character in _VOICED or unicodedata.category(character).startswith("M")

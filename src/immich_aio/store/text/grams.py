"""Grams: short pieces of text by whose hashes the index finds the photos that may hold a word.

Of CJK text they are its characters and adjacent pairs, of other text its trigrams. A word of one or
two other characters is one gram of its own, marked, for its parts would be everywhere. Hashes may
collide, so a photo that is found is a candidate only.
"""

from __future__ import annotations

import itertools
import operator
import re
import zlib
from collections.abc import Iterator
from functools import lru_cache

from immich_aio.store.text.scripts import CJK, is_cjk, is_han_or_kana

_RUNS = re.compile(rf"([{CJK}]+)|([^\s{CJK}]+)")
_REMEMBERED = 1 << 17
"""Words and grams whose hashes are kept: a library uses the same ones over and over."""
HALVES = (1, 2)
"""What the index adds to the grams of each text: one of these, the same for hundreds of neighbours.
So two processes can look through a half each, and hardly a page of the table is read by both."""

__all__ = ["HALVES", "document_grams", "is_cjk", "query_grams"]


def document_grams(folded: str) -> list[int]:
    """The grams of a folded text of several lines, sorted and distinct."""
    found: set[int] = set()
    for cjk, other in _RUNS.findall(folded):
        if cjk:
            found.update(map(_hash, cjk))
            found.update(map(_hash, _pairs(cjk)))
        else:
            found.update(_of_other(other))
    found.update(map(_hash, _across_lines(folded)))
    return sorted(found)


def query_grams(text: str) -> list[int]:
    """The grams that every text must have that holds a folded text; sorted and distinct.

    One or two other characters at an end may go on there, so they tell nothing unless they are all
    that is asked for: then they must stand alone.
    """
    found: set[int] = set()
    runs = _RUNS.findall(text)
    for place, (cjk, other) in enumerate(runs):
        if cjk:
            found.update(map(_hash, _pairs(cjk) if len(cjk) > 1 else cjk))
        elif len(other) > 2 or 0 < place < len(runs) - 1:
            found.update(_of_other(other))
    return sorted(found or {gram for _, other in runs for gram in _of_other(other)})


def _pairs(run: str) -> Iterator[str]:
    return map(operator.add, run, run[1:])


@lru_cache(maxsize=_REMEMBERED)
def _of_other(run: str) -> tuple[int, ...]:
    if len(run) < 3:
        return (_hash(f"^{run}$"),)
    return tuple(_hash(run[start : start + 3]) for start in range(len(run) - 2))


def _across_lines(folded: str) -> Iterator[str]:
    """The pairs of words that are broken over two lines."""
    lines = folded.split("\n")
    for line, following in itertools.pairwise(lines):
        if is_han_or_kana(line[-1:]) and is_han_or_kana(following[:1]):
            yield line[-1] + following[0]


@lru_cache(maxsize=_REMEMBERED)
def _hash(gram: str) -> int:
    """A hash as PostgreSQL's int4 holds it."""
    unsigned = zlib.crc32(gram.encode())
    return unsigned - (1 << 32) if unsigned >= 1 << 31 else unsigned

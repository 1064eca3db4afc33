"""Text in the one form in which it is searched: what people take for the same is the same.

Full width is half width, capitals are small, accents are off Latin, Greek and Cyrillic letters,
Traditional characters are Simplified, and what is no letter or digit is a space. Voicing marks of
kana and the parts of Hangul syllables are no accents: か is not が.

Whoever changes what comes out must count ``FORMAT`` up: indexes of the old format are made anew.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

from opencc import OpenCC

from immich_aio.store.text.scripts import HAN, KANA

FORMAT = 3
"""The version of everything that a document of the index is made by."""

_ACCENTED = re.compile("LATIN |GREEK |CYRILLIC ")
_STROKES = {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d"}
"""Letters whose mark Unicode does not take apart, though everybody types them without."""
_ACCENTS = range(0x0300, 0x0370)
_HAN_BLOCKS = ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00), (0x20000, 0x323B0))
_GAP = re.compile(f"(?<=[{HAN}{KANA}]) +(?=[{HAN}{KANA}])")
_DIVIDED = re.compile(r"[^\W_](?:[^\w\s]|_)+[^\W_]")
_JOINABLE = re.compile("[A-Za-z0-9]")
_GROUPED = re.compile(r"(?<!\S)\d{3,}(?: \d{3,})+(?!\S)")


def fold(line: str) -> str:
    """One line, folded. Folding it again changes nothing."""
    return _closed(unicodedata.normalize("NFKC", line).translate(_TABLE))


def fold_document(lines: Iterable[str]) -> str:
    """The lines of a photo, folded, one a line; empty ones are left out.

    One more line follows where numbers or names are divided by punctuation, or digits stand in
    groups: they joined, so that 20260418 finds 2026-04-18, and 沪ad39527 finds 沪A·D39527.
    """
    folded, joined = fold_apart(lines)
    return "\n".join([*folded, " ".join(joined)] if joined else folded)


def fold_apart(lines: Iterable[str]) -> tuple[list[str], list[str]]:
    """The folded lines of a photo that are not empty, and what is joined of them."""
    normal = [unicodedata.normalize("NFKC", line) for line in lines]
    folded = [one for line in normal if (one := _closed(line.translate(_TABLE)))]
    joined: dict[str, None] = {}
    for line in normal:
        if _DIVIDED.search(line):
            joined.update(dict.fromkeys(_joined(line)))
    for line in folded:
        joined.update(dict.fromkeys(one.replace(" ", "") for one in _GROUPED.findall(line)))
    return folded, list(joined)


def _joined(line: str) -> Iterable[str]:
    for run in line.split():
        parts = run.translate(_TABLE).split()
        if len(parts) > 1 and _JOINABLE.search(run):
            yield "".join(parts)


def _closed(mapped: str) -> str:
    """With single spaces, and none where the script has none."""
    spaced = " ".join(mapped.split())
    return spaced if spaced.isascii() else _GAP.sub("", spaced)


class _Table(dict[int, str]):
    """What each character becomes, noted when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = made = _character(chr(code))
        return made


_TABLE = _Table()


def _character(character: str) -> str:
    """One normalised character, folded."""
    if ord(character) in _ACCENTS or unicodedata.category(character) in ("Cf", "Me"):
        return ""  # an accent left over from a letter that has none, or something unseen
    if unicodedata.name(character, "").startswith("VARIATION SELECTOR"):
        return ""
    if unicodedata.category(character) in ("Mn", "Mc"):
        return character  # a vowel of Thai or Hindi: part of its word
    if not character.isalnum():
        return " "
    if _ACCENTED.match(unicodedata.name(character, "")):
        return _bare(character)
    return _simplified().get(character, character).casefold()


def _bare(letter: str) -> str:
    """A small letter without its accents."""
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", letter).casefold())
    bare = "".join(part for part in parts if not unicodedata.combining(part))
    return "".join(_STROKES.get(part, part) for part in bare)


@cache
def _simplified() -> dict[str, str]:
    """Traditional characters and their Simplified ones, as OpenCC has them, one to one."""
    characters = [chr(code) for first, end in _HAN_BLOCKS for code in range(first, end)]
    # Each on a line of its own, so that no phrase is seen.
    simple = OpenCC("t2s").convert("\n".join(characters)).split("\n")
    table = {
        old: new
        for old, new in zip(characters, simple, strict=True)
        if old != new and len(new) == 1
    }
    return {old: _end(table, new) for old, new in table.items()}


def _end(table: dict[str, str], character: str) -> str:
    """Where a chain of replacements ends, so that folding twice is folding once."""
    seen = {character}
    while (following := table.get(character)) is not None and following not in seen:
        character = following
        seen.add(character)
    return character

"""Texts as Chinese-CLIP's text tower takes them: BERT's WordPiece over its Chinese vocabulary.

Step by step what ``cn_clip`` 1.6.0 does, and what it does is BERT's original tokeniser, in lower
case: clean, set Chinese characters apart, split at white space, strip accents, split at
punctuation, and cut every word into the longest pieces that the vocabulary knows.

``vocabulary.txt`` is that of Google's BERT-Base, Chinese (Apache License 2.0): a word a line, its
number the line's.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from immich_aio.engines.clip.architecture import CONTEXT

VOCABULARY_FILE = Path(__file__).parent / "vocabulary.txt"

_LONGEST_WORD = 200  # characters; a longer one is unknown
_REMEMBERED = 30_000  # characters and words: more than a library has, less than an attack
_CJK = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


class Tokeniser:
    """Texts → tokens, with what marks their beginning and end; from several threads at once too."""

    def __init__(self) -> None:
        # Not splitlines: one of the words is a line separator.
        lines = VOCABULARY_FILE.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        self._numbers = {line.strip(): number for number, line in enumerate(lines)}
        self._begin, self._end = self._numbers["[CLS]"], self._numbers["[SEP]"]
        self._unknown = [self._numbers["[UNK]"]]
        self._clean = _CleanCharacters()
        self._pieces = functools.lru_cache(maxsize=_REMEMBERED)(self._cut)

    def tokens(self, text: str) -> list[int]:
        """Between 2 and 52 tokens; what does not fit is left out."""
        found = [self._begin]
        for word in self._words(text):
            found += self._pieces(word)
            if len(found) >= CONTEXT - 1:
                break
        return [*found[: CONTEXT - 1], self._end]

    def _words(self, text: str) -> Iterator[str]:
        for chunk in text.translate(self._clean).split():
            yield from _split_at_punctuation(_without_accents(chunk.lower())).split()

    def _cut(self, word: str) -> list[int]:
        """A word's pieces, each as long as can be; unknown as a whole where one is missing."""
        if len(word) > _LONGEST_WORD:
            return self._unknown
        pieces: list[int] = []
        start = 0
        while start < len(word):
            mark = "##" if start else ""
            for end in range(len(word), start, -1):
                number = self._numbers.get(mark + word[start:end])
                if number is not None:
                    pieces.append(number)
                    start = end
                    break
            else:
                return self._unknown
        return pieces


class _CleanCharacters(dict[int, str | None]):
    """A table for ``str.translate`` that works out a character when it first meets it."""

    def __missing__(self, code: int) -> str | None:
        found = _cleaned(chr(code))
        if len(self) < _REMEMBERED:
            self[code] = found
        return found


def _cleaned(character: str) -> str | None:
    """White space as a blank, Chinese characters between blanks, control characters gone."""
    category = unicodedata.category(character)
    if character in " \t\n\r" or category == "Zs":
        return " "
    if category in {"Cc", "Cf"} or character == "\N{REPLACEMENT CHARACTER}":
        return None
    if any(first <= ord(character) <= last for first, last in _CJK):
        return f" {character} "
    return character


def _without_accents(word: str) -> str:
    if word.isascii():
        return word
    decomposed = unicodedata.normalize("NFD", word)
    return "".join(char for char in decomposed if unicodedata.category(char) != "Mn")


def _split_at_punctuation(word: str) -> str:
    """The word with blanks around each punctuation mark."""
    if word.isalnum():
        return word
    return "".join(f" {char} " if _is_punctuation(char) else char for char in word)


def _is_punctuation(character: str) -> bool:
    # BERT also counts what Unicode calls a symbol, such as $ and ^, where it is ASCII.
    return character in _ASCII_PUNCTUATION or unicodedata.category(character).startswith("P")

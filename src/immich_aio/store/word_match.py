"""How a word is found in a text: the rules, and how well a word is found by each.

``text_match.py`` writes them as SQL, which ranks; ``word_places.py`` follows them in Python, which
explains. A document has two texts: its folded lines, and their words, each between spaces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from immich_aio.domain.ranking import Match
from immich_aio.domain.text_query import Needle
from immich_aio.store.text.grams import is_cjk

MIN_MISREAD_CJK = 3
MIN_MISREAD_OTHER = 5
"""Characters from which on a word is also found with one of them misread."""
MAX_MISREAD = 24
"""Characters up to which: what is longer costs more patterns than it gains."""


class Where(Enum):
    """What of a document is looked into."""

    WORDS = "its words"
    LINES = "its lines"
    UNBROKEN = "its lines without what divides them"
    SPACED = "its lines with spaces around them"


@dataclass(frozen=True, slots=True)
class Rule:
    """A text that must occur there, or one of the patterns of LIKE that must fit."""

    match: Match
    """How well the word is found then."""
    where: Where
    text: str
    patterns: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    """Fewer patterns, one of which fits wherever one of those does."""


def rules(needle: Needle, *, near: bool) -> Iterator[Rule]:
    """The rules for a needle, best first: the first that holds counts.

    With ``near`` it is also found with one character misread.
    """
    places = list(_places(needle))
    yield from places
    if near and (texts := misreadable(needle)):
        patterns = [pattern for one in texts for pattern in misreadings(one)]
        if places[-1].where is not Where.WORDS:  # wherever it stands as it is, it is found better
            patterns = [pattern for pattern in patterns if needle.text not in pattern]
        needed = [pattern for one in texts for pattern in intact(one)]
        yield Rule(Match.NEAR, Where.LINES, needle.text, tuple(patterns), tuple(needed))


def _places(needle: Needle) -> Iterator[Rule]:
    """Where a needle may stand as it is, the best place first."""
    text = needle.text
    has_spaces = " " in text  # words are not in the text's order, so one alone is sought there
    if _is_short(text):
        yield Rule(Match.WHOLE, Where.SPACED if has_spaces else Where.WORDS, f" {text} ")
        return
    if not has_spaces:
        yield Rule(Match.WHOLE, Where.WORDS, f" {text} ")
    is_whole = needle.exact and _stands_alone(text)
    yield Rule(Match.WHOLE if is_whole else Match.INSIDE, Where.LINES, text)
    if _may_be_broken(text):
        yield Rule(Match.BROKEN, Where.UNBROKEN, text)
    if has_spaces:
        yield Rule(Match.BROKEN, Where.SPACED, text)


def phrase_rules(text: str) -> tuple[Rule, Rule]:
    """One of which holds where all words stand together as they were typed."""
    broken = Where.SPACED if " " in text else Where.UNBROKEN
    return Rule(Match.WHOLE, Where.LINES, text), Rule(Match.BROKEN, broken, text)


def misreadings(word: str) -> list[str]:
    """Patterns of LIKE for a word with one character replaced, missing, too many, or two swapped.

    A number is another number with a digit more or less inside, and a word of three characters is
    another word unless its ends are there. A folded text holds neither of the two characters that
    mean something to LIKE.
    """
    places = range(len(word))
    if len(word) == MIN_MISREAD_CJK:
        return [f"%{word[0]}_{word[2]}%", f"%{word[0]} {word[1:]}%", f"%{word[:2]} {word[2]}%"]
    patterns = [f"%{word[:place]}_{word[place + 1 :]}%" for place in places]
    if not word.isdigit():
        for place in places[1:]:
            before, here, after = word[:place], word[place], word[place + 1 :]
            patterns += [f"%{before}_{here}{after}%", f"%{before[:-1]}{here}{before[-1]}{after}%"]
            patterns += [f"%{before}{after}%"] if after else []
        patterns += [f"{word[1:]}%", f"%{word[:-1]}"]  # where the text begins and ends
    return list(dict.fromkeys(patterns))


def intact(word: str) -> list[str]:
    """Patterns of LIKE for what a misread word leaves: one of them fits wherever it is found.

    One wrong character leaves one of its halves; two that are swapped may leave what is outside.
    """
    if len(word) == MIN_MISREAD_CJK:
        return misreadings(word)
    middle = len(word) // 2
    outside = f"%{word[: middle - 1]}%{word[middle + 1 :]}%"
    return [f"%{word[:middle]}%", f"%{word[middle:]}%", outside]


def misreadable(needle: Needle) -> list[str]:
    """A word, and the run it was cut from, where they are known with a wrong character in them."""
    texts = [needle.text] if needle.part_of is None else [needle.text, needle.part_of]
    return [text for text in texts if not needle.exact and _is_long(text)]


def _is_long(text: str) -> bool:
    least = MIN_MISREAD_CJK if all(map(is_cjk, text)) else MIN_MISREAD_OTHER
    return " " not in text and least <= len(text) <= MAX_MISREAD


def _may_be_broken(text: str) -> bool:
    """Whether lines may end inside it: Chinese and Japanese words are broken anywhere."""
    return len(text) > 1 and any(map(is_cjk, text))


def _is_short(text: str) -> bool:
    """Whether it is letters too few for the index to find inside longer words."""
    return not any(map(is_cjk, text)) and all(len(piece) < 3 for piece in text.split(" "))


def _stands_alone(text: str) -> bool:
    """Whether it is whole wherever it stands: Chinese has no spaces to tell."""
    return " " in text or (is_cjk(text[0]) and is_cjk(text[-1]))

"""How a search is carried out: pure decisions from how many there are of what.

Every decision depends on the query and the library alone, never on the page: so each page of a
search goes on where the one before it ended.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

PAGE = 100
"""What is reckoned with as wanted at once, whatever the page's size."""
SOME = 5000
"""Texts with one of the rarest words up to which those with only some of the words count too."""
SCANNED = 60_000
"""Texts with all words up to which each is scored, or bounded: one or two microseconds a text."""
SHARED = 8000
"""Texts with all words from which on two processes read and score them; fewer are scored as soon by
one."""
HALVED, HALVED_ALONE = 10_000, 4000
"""Texts with all words from which on each of two connections bounds a half of them. With fewer, one
is done as soon, while the other looks for what is beside them; the second is where only the text
counts, so that the other has nothing to do."""
DATED = 600
"""Where only the text counts, the newest are looked at first: so many, times the share of all that
have the word, if all that have it are more.
"""
COUNTED = 2000
"""Texts with a word up to which they are counted; beyond, their number is an estimate."""
USUAL = 0.9
"""Share of the texts with all words that have them one after the other, from which on each is taken
to do so where its score is bounded."""
FEW = 100
"""Texts with a word below which those are looked for that have it misread."""


class Texts(Enum):
    """How the texts of a query are found."""

    NONE = "no words"
    SOME = "every text with enough of the words is scored"
    ALL = "every text with all words is scored"
    STREAM = "texts with all words, in the order of their assets"


@dataclass(frozen=True, slots=True)
class Frequencies:
    """How many texts there are, with each word, and with all of them (that one estimated)."""

    documents: int
    by_condition: tuple[int, ...]
    by_meaning: bool = False
    """Whether there is an index over the vectors beside the texts."""
    in_a_row: int = 0
    """How many texts may have all words as they were typed; 0 where that is not known."""
    in_halves: bool = False
    """Whether the texts of the index are marked as of one half or the other."""

    @property
    def with_all(self) -> float:
        """As if words were independent, unless they stand in a row."""
        if self.are_in_a_row:
            return min(*self.by_condition, self.documents)
        shares = [count / max(self.documents, 1) for count in self.by_condition]
        return min(self.documents * math.prod(shares), *self.by_condition, self.documents)

    @property
    def are_shared(self) -> bool:
        """Whether there are so many texts with all words that two processes read them."""
        return self.with_all > SHARED

    def are_halved(self, *, alone: bool) -> bool:
        """Whether they are so many that two connections bound them; ``alone`` without a meaning."""
        return self.in_halves and self.with_all > (HALVED_ALONE if alone else HALVED)

    @property
    def are_in_a_row(self) -> bool:
        """Whether most texts with all words have them as they were typed, as if one was cut."""
        return self.in_a_row > USUAL * min(self.by_condition, default=0)

    @property
    def most(self) -> int:
        """How many texts there may be with any of the words as they are."""
        if any(count >= COUNTED for count in self.by_condition):
            return self.documents
        return sum(self.by_condition)


def rare_enough(shares: Sequence[float], least: float) -> list[int]:
    """The numbers of the rarest words, one of which is in every text that has enough of them."""
    left, numbers = 1.0, []
    for number in sorted(range(len(shares)), key=lambda one: (-shares[one], one)):
        if left < least:
            break
        numbers.append(number)
        left -= shares[number]
    return numbers


def plan_mixed(frequencies: Frequencies, shares: Sequence[float], least: float) -> Texts:
    """How to find the texts that count beside the meaning."""
    if not frequencies.by_condition:
        return Texts.NONE
    if sum(frequencies.by_condition[number] for number in rare_enough(shares, least)) <= SOME:
        return Texts.SOME
    return Texts.ALL if frequencies.with_all <= SCANNED else Texts.STREAM


def plan_text_only(frequencies: Frequencies) -> Texts:
    """How to find the texts with every word, best and newest first."""
    if not frequencies.by_condition:
        return Texts.NONE
    one = len(frequencies.by_condition) == 1 or frequencies.are_in_a_row
    is_in_many = frequencies.with_all**2 > DATED * frequencies.documents
    return Texts.STREAM if one and is_in_many else Texts.ALL


def exact_at_most(library: int, exact_limit: int) -> int:
    """Up to how many assets that is: beyond the setting, where the index would be slower still."""
    return max(exact_limit, math.isqrt(PAGE * library))

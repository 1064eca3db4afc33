"""How results are ordered: text scores, and how text and meaning come together. Pure.

``score = cosine + text weight × text score``. The text score is 0…1: 1 where every word stands in
the text as a word, together, and clearly read. The cosine is that of CLIP; 0 where an asset has no
vector. SQL computes the same from the same numbers (``store/text_match.py``).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple
from uuid import UUID


class Match(float, Enum):
    """How well a word is found in a text."""

    WHOLE = 1.0
    """As a word."""
    INSIDE = 0.8
    """Inside a longer word."""
    BROKEN = 0.7
    """Over the end of a line."""
    NEAR = 0.5
    """With one character misread, missing or too many."""
    NONE = 0.0


@dataclass(frozen=True, slots=True)
class Weights:
    """What counts how much."""

    text: float = 0.5
    """Of a perfect text match against the cosine, whose useful range is about 0.1 for CLIP."""
    words: float = 0.6
    """Of the words found, each by how rare it is, squared: half of them are worth a quarter."""
    together: float = 0.2
    """Of having all words."""
    phrase: float = 0.2
    """Of having them one after the other, as they were typed."""
    unsure: float = 0.2
    """What is taken off for text that the reader was not sure of at all (confidence 0.5)."""
    least: float = 0.5
    """Share of the words, by rarity, below which a text does not count beside the meaning."""


SURE, UNSURE = 0.9, 0.5
"""Confidences from which on, and up to which, a text counts fully, and least."""


def rarity(containing: int, documents: int) -> float:
    """Give the weight of a word that so many of all texts contain (inverse document frequency)."""
    return math.log(1 + max(documents, 1) / max(containing, 1))


def certainty(confidence: float, weights: Weights) -> float:
    """Give the factor for a text's confidence, 1 at most."""
    doubt = min(max((SURE - confidence) / (SURE - UNSURE), 0.0), 1.0)
    return 1 - weights.unsure * doubt


def coverage(matches: Sequence[float], rarities: Sequence[float]) -> float:
    """Give the share of the words that is found, 0…1."""
    total = sum(rarities)
    return sum(map(float.__mul__, map(float, matches), rarities)) / total if total else 0.0


def text_score(
    matches: Sequence[float],
    rarities: Sequence[float],
    *,
    phrase: bool,
    confidence: float,
    weights: Weights,
) -> float:
    """Score a text, 0…1, by how each word is found in it and whether all stand together.

    One word alone is its own phrase, as well as it is found.
    """
    found = coverage(matches, rarities)
    score = weights.words * found**2
    if all(matches):
        alone = matches[0] if matches[0] > Match.NEAR else 0.0
        in_order = alone if len(matches) == 1 else float(phrase)
        score += weights.together * found + weights.phrase * in_order
    return score * certainty(confidence, weights)


class Hit(NamedTuple):
    """An asset that was found, and why it stands where it stands. (A deep page makes thousands.)"""

    asset_id: UUID
    score: float
    cosine: float | None = None
    """None where it has no vector, or where meaning was not asked for."""
    text_score: float = 0.0
    partial: bool = False
    """Whether words are missing of a query all of whose words should be there."""


def best_first(hit: Hit) -> tuple[float, int]:
    """The key that puts hits in order; those that score the same, by their numbers."""
    return -hit.score, hit.asset_id.int


def merge(matched: Sequence[Hit], others: Sequence[Hit]) -> list[Hit]:
    """Merge those with a text match, best first, and the others, in the vector index's order.

    An index may give one a little too late. It keeps its place then: what comes before a place in
    the result depends on nothing that comes after, so pages neither repeat nor skip anything.
    """
    hits = [*matched, *others]
    keys = [*_never_falling(matched), *_never_falling(others)]
    return [hits[place] for place in sorted(range(len(hits)), key=keys.__getitem__)]


def are_enough(matched: Sequence[Hit], others: Sequence[Hit], limit: int) -> bool:
    """Whether the first ``limit`` of them merged are the same whatever others follow these."""
    lowest = min((hit.score for hit in others), default=math.inf)
    ahead = sum(-key >= lowest for key in _never_falling(matched))
    return ahead + len(others) >= limit


def _never_falling(hits: Sequence[Hit]) -> Iterator[float]:
    """Keys that leave hits in their order."""
    return itertools.accumulate((-hit.score for hit in hits), max)

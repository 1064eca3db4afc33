"""Why a result stands where it stands: the numbers that it was ranked by, taken apart. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from immich_aio.domain.ranking import Match, Weights, certainty, coverage, text_score

Corners = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A line of a photo in which words were found."""

    text: str
    """As it was read."""
    corners: Corners
    """Clockwise from the top left, as fractions of the photo's width and height (0…1)."""
    score: float
    """How sure OCR was of it."""
    marks: tuple[tuple[int, int], ...]
    """Where the words stand in it: first character, and the one after the last. They do not touch.
    Empty where that cannot be told."""


@dataclass(frozen=True, slots=True)
class FoundWord:
    """One of the words that were looked for, or of several of which any will do."""

    alternatives: tuple[str, ...]
    """As they were looked for: folded."""
    match: Match
    """How well it was found; NONE where it was not."""
    containing: int
    """In how many texts it is, of all; where it is in very many that is estimated."""
    rarity: float
    """What it weighs for that."""
    lines: tuple[int, ...]
    """The numbers of the lines that hold it."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One result, taken apart."""

    asset_id: UUID
    words: tuple[FoundWord, ...]
    lines: tuple[FoundLine, ...]
    texts: int
    """How many photos have text."""
    phrase: bool
    """Whether all words stand together as they were typed, where there are several."""
    confidence: float | None
    """How sure OCR was of the whole text; None where there is no text."""
    counts: bool
    """Whether the text was counted: one with too few of the words is not."""
    cosine: float | None
    """Of the photo to the query's meaning; None where either has no vector, or none was asked."""
    weights: Weights

    @property
    def matches(self) -> list[Match]:
        """How well each word is found."""
        return [word.match for word in self.words]

    @property
    def shares(self) -> list[float]:
        """What part of the query each word is, by its rarity."""
        total = sum(word.rarity for word in self.words)
        return [word.rarity / total for word in self.words]

    @property
    def found(self) -> float:
        """The share of the words that is found, by rarity and by how well."""
        return coverage(self.matches, [word.rarity for word in self.words])

    @property
    def every(self) -> bool:
        """Whether all words are there."""
        return all(self.matches)

    @property
    def certainty(self) -> float:
        """The factor for how sure OCR was."""
        return 1.0 if self.confidence is None else certainty(self.confidence, self.weights)

    @property
    def text_score(self) -> float:
        """What the text is worth, 0…1, whether or not it counts."""
        if self.confidence is None or not self.words:
            return 0.0
        return text_score(
            self.matches,
            [word.rarity for word in self.words],
            phrase=self.phrase,
            confidence=self.confidence,
            weights=self.weights,
        )

    @property
    def total(self) -> float:
        """The score: cosine + text weight × text score."""
        return (self.cosine or 0.0) + self.weights.text * (self.text_score if self.counts else 0.0)

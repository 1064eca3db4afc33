"""From the recogniser's probabilities to characters, and from pieces of a line to the line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from immich_aio.engines.sessions import Tensor

BLANK = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """A line's text and the mean probability of its characters, 0…1."""

    text: str
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Spelling:
    """Each character, about where it stands, in pixels from the left, and its probability."""

    characters: list[str]
    places: NDArray[np.floating]
    scores: Tensor

    @property
    def reading(self) -> Reading:
        """The characters as a text."""
        return Reading("".join(self.characters), float(self.scores.mean()) if len(self) else 0.0)

    def __len__(self) -> int:
        return len(self.characters)

    def moved(self, right: float) -> Spelling:
        """The same so many pixels further right."""
        return Spelling(self.characters, self.places + right, self.scores)

    def between(self, low: float, high: float) -> Spelling:
        """What stands from ``low`` up to before ``high``."""
        first, last = np.searchsorted(self.places, [low, high])
        kept = slice(int(first), int(last))
        return Spelling(self.characters[kept], self.places[kept], self.scores[kept])


def decode(probabilities: Tensor, alphabet: Sequence[str], width: int) -> Spelling:
    """Greedy CTC over (steps, classes): repeats collapse, blanks vanish.

    ``width`` is that of the strip which was read, in pixels.
    """
    best = probabilities.argmax(axis=1)
    kept = best != BLANK
    kept[1:] &= best[1:] != best[:-1]
    steps = np.flatnonzero(kept)
    characters = [alphabet[index] for index in best[steps]]
    places = (steps + 0.5) * (width / len(probabilities))
    return Spelling(characters, places, probabilities[steps, best[steps]])


def join(pieces: Sequence[Spelling], shared: Sequence[tuple[float, float]]) -> Spelling:
    """A line from its pieces, which follow each other, in pixels of the line.

    ``shared[i]`` is the stretch that pieces i and i + 1 both show. A piece's edge may go through a
    character, so within the stretch one piece hands over to the next between two characters.
    """
    overs = [
        _handover(left, right, *stretch)
        for (left, right), stretch in zip(pairwise(pieces), shared, strict=True)
    ]
    bounds = pairwise([-np.inf, *overs, np.inf])
    parts = [piece.between(*bound) for piece, bound in zip(pieces, bounds, strict=True)]
    return Spelling(
        [character for part in parts for character in part.characters],
        np.concatenate([part.places for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )


def _handover(left: Spelling, right: Spelling, low: float, high: float) -> float:
    """The place farthest from any character, for the two may place the same one a step apart."""
    quarter = (high - low) / 4
    candidates = np.arange(low + quarter, high - quarter + 1)
    places = np.concatenate([left.places, right.places])
    if not len(places):
        return low
    distances = np.abs(candidates[:, None] - places).min(axis=1)
    return float(candidates[distances.argmax()])

"""Reading lines of text: corners in, texts and scores out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from immich_aio.engines.ocr.crops import Pixels, cut_line, line_width, padded, split_at_gaps
from immich_aio.engines.ocr.detector import to_tensor
from immich_aio.engines.sessions import Session, Tensor
from immich_aio.engines.shared_work import SharedWork

WIDTH_STEP = 64
"""Widths of recogniser inputs are multiples of this, in pixels: few shapes, flat memory."""

MIN_WIDTH = 128
MAX_WIDTH = 1920
"""About 40 Chinese characters; a longer line is cut at gaps and read in pieces."""

BLANK = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """A line's text and the mean probability of its characters, 0…1."""

    text: str
    score: float


class Team(Protocol):
    """The caller's patience and the other workers, as seen from one worker's recogniser."""

    def checkpoint(self) -> None:
        """Called before every inference; raises when nobody waits for the result any more."""
        ...

    def share(self, work: Callable[[Recogniser], None], most: int) -> None:
        """Have up to ``most`` idle recognisers do ``work`` as well; it may be that none does."""
        ...

    def others_wait(self) -> bool:
        """Whether helpers should rather begin with the next image."""
        ...


class Recogniser:
    """PP-OCR's CTC recogniser over one session; ``alphabet[0]`` is CTC's blank.

    ``batch`` lines are read together. One core gains nothing from more than one (a GPU does), and
    every batch size is one more input shape that costs memory.
    """

    def __init__(self, session: Session, alphabet: list[str], batch: int) -> None:
        self._session = session
        self._alphabet = alphabet
        self._batch = batch

    def read(
        self, pixels: Pixels, lines: Sequence[NDArray[np.float32]], team: Team
    ) -> list[Reading]:
        """The text within each quadrilateral (4, 2), corners from the text's own top left.

        Idle recognisers of the team take a share of the lines.
        """
        pieces = [(owner, piece) for owner, line in enumerate(lines) for piece in cut(pixels, line)]
        readings = self._read_crops([piece for _, piece in pieces], team)
        of_line: list[list[Reading]] = [[] for _ in lines]
        for (owner, _), reading in zip(pieces, readings, strict=True):
            of_line[owner].append(reading)
        return [joined(parts) for parts in of_line]

    def _read_crops(self, crops: list[Pixels], team: Team) -> list[Reading]:
        widths = [input_width(crop.shape[1]) for crop in crops]
        readings = [Reading("", 0.0)] * len(crops)

        def read_batch(batch: list[int], recogniser: Recogniser) -> None:
            team.checkpoint()
            strips = [padded(crops[index], widths[index]) for index in batch]
            for index, reading in zip(batch, recogniser.read_strips(strips), strict=True):
                readings[index] = reading

        def help_out(helper: Recogniser) -> None:
            batches.help_with(lambda batch: read_batch(batch, helper), team.others_wait)

        batches = SharedWork(plan_batches(widths, self._batch))
        team.share(help_out, len(batches) - 1)
        batches.finish(lambda batch: read_batch(batch, self))
        return readings

    def read_strips(self, strips: Sequence[Pixels]) -> list[Reading]:
        """The text on strips of one width, LINE_HEIGHT high."""
        probabilities = self._session.run(to_tensor(strips))
        return [decode(one, self._alphabet) for one in probabilities]


def cut(pixels: Pixels, line: NDArray[np.float32]) -> list[Pixels]:
    """The line's crop, in pieces where it is longer than the recogniser reads at once."""
    width = max(1, int(np.ceil(line_width(line))))
    return split_at_gaps(cut_line(pixels, line, width), MAX_WIDTH)


def input_width(width: int) -> int:
    """The recogniser's input width for a crop of that width."""
    stepped = -(-width // WIDTH_STEP) * WIDTH_STEP
    return max(MIN_WIDTH, stepped)


def plan_batches(widths: Sequence[int], most: int) -> list[list[int]]:
    """Which crops to read together: only those of one width, ``most`` at a time.

    The widest come first, so that helpers who share the batches end together.
    """
    by_width: dict[int, list[int]] = {}
    for index, width in enumerate(widths):
        by_width.setdefault(width, []).append(index)
    return [
        group[start : start + most]
        for _, group in sorted(by_width.items(), reverse=True)
        for start in range(0, len(group), most)
    ]


def decode(probabilities: Tensor, alphabet: list[str]) -> Reading:
    """Greedy CTC over (steps, classes): repeats collapse, blanks vanish."""
    best = probabilities.argmax(axis=1)
    kept = best != BLANK
    kept[1:] &= best[1:] != best[:-1]
    steps = np.flatnonzero(kept)
    if not len(steps):
        return Reading("", 0.0)
    text = "".join(alphabet[index] for index in best[steps])
    return Reading(text, float(probabilities[steps, best[steps]].mean()))


def joined(parts: Sequence[Reading]) -> Reading:
    """The readings of one line's pieces as one, its score their mean weighted by length."""
    if len(parts) == 1:
        return parts[0]
    length = sum(len(part.text) for part in parts)
    score = sum(part.score * len(part.text) for part in parts) / max(length, 1)
    return Reading("".join(part.text for part in parts), score)

"""Reading lines of text: corners in, texts and scores out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from immich_aio.engines.ocr.crops import Piece, Pixels, cut_line, in_pieces, line_width, padded
from immich_aio.engines.ocr.detector import to_tensor
from immich_aio.engines.ocr.spelling import Reading, Spelling, decode, join
from immich_aio.engines.sessions import Session
from immich_aio.engines.shared_work import SharedWork

MIN_WIDTH = 128
MAX_WIDTH = 1920
"""About 40 Chinese characters; a longer line is read in pieces that overlap."""


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

    ``batch`` lines are read together at most, and widths are multiples of ``step``, in pixels.
    """

    def __init__(self, session: Session, alphabet: list[str], batch: int, step: int) -> None:
        self._session = session
        self._alphabet = alphabet
        self._batch = batch
        self._step = step

    def read(
        self, pixels: Pixels, lines: Sequence[NDArray[np.float32]], team: Team
    ) -> list[Reading]:
        """The text within each quadrilateral (4, 2), corners from the text's own top left.

        Idle recognisers of the team take a share of the lines.
        """
        of_line = [cut(pixels, line) for line in lines]
        spellings = iter(self._spell([piece.pixels for line in of_line for piece in line], team))
        return [joined([(piece, next(spellings)) for piece in line]) for line in of_line]

    def _spell(self, crops: list[Pixels], team: Team) -> list[Spelling]:
        widths = [input_width(crop.shape[1], self._step) for crop in crops]
        spellings: dict[int, Spelling] = {}

        def read_batch(batch: list[int], recogniser: Recogniser) -> None:
            team.checkpoint()
            strips = [padded(crops[index], widths[index]) for index in batch]
            spellings.update(zip(batch, recogniser.spell_strips(strips), strict=True))

        def help_out(helper: Recogniser) -> None:
            batches.help_with(lambda batch: read_batch(batch, helper), team.others_wait)

        batches = SharedWork(plan_batches(widths, self._batch))
        team.share(help_out, len(batches) - 1)
        batches.finish(lambda batch: read_batch(batch, self))
        return [spellings[index] for index in range(len(crops))]

    def spell_strips(self, strips: Sequence[Pixels]) -> list[Spelling]:
        """The characters on strips of one width, LINE_HEIGHT high."""
        probabilities = self._session.run(to_tensor(strips))
        return [decode(one, self._alphabet, strips[0].shape[1]) for one in probabilities]


def cut(pixels: Pixels, line: NDArray[np.float32]) -> list[Piece]:
    """The line's crop, in pieces where it is longer than the recogniser reads at once."""
    width = max(1, int(np.ceil(line_width(line))))
    return in_pieces(cut_line(pixels, line, width), MAX_WIDTH)


def input_width(width: int, step: int) -> int:
    """The recogniser's input width for a crop of that width: a multiple of the step."""
    stepped = -(-width // step) * step
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


def joined(parts: Sequence[tuple[Piece, Spelling]]) -> Reading:
    """The text of one line from its pieces and what was read on each."""
    if len(parts) == 1:
        return parts[0][1].reading
    pieces = [piece for piece, _ in parts]
    shared = [(float(right.left), float(left.right)) for left, right in pairwise(pieces)]
    return join([spelling.moved(piece.left) for piece, spelling in parts], shared).reading

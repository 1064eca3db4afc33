"""Which way the text runs: one decision for the page, not one for each line.

A line's own verdict is often wrong (short lines, symbols, small type), a page's hardly ever. Lines
that lie and lines that stand are two groups, each turned as a whole, and a box of one or two
characters, which shows no direction, goes with the larger group:

* lying lines are upright, or upside down on a page turned by 180°. The direction classifier votes,
  weighted by length; a vote against upright must be confirmed by reading a few lines both ways.
* standing lines are a page turned by 90° or 270°, or columns of vertical Chinese or Japanese. The
  recogniser reads both kinds of downward lines, so a few lines are read both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immich_aio.engines.ocr.crops import LINE_HEIGHT, Pixels, cut_line, line_width, padded
from immich_aio.engines.ocr.detector import to_tensor
from immich_aio.engines.ocr.spelling import Reading
from immich_aio.engines.sessions import Session

ELONGATED = 1.5
"""A box is a line of some direction if it is this many times longer than lines are thick."""

CLASSIFIER_WIDTH = 192
VOTERS = 8
"""So many of the longest lines vote; every vote costs half a millisecond."""

SUSPICION = 0.4
"""From this share of the votes on, the page may be upside down."""

WITNESSES = 3
"""So many lines are read both ways when a page may be upside down or lines stand."""

Corners = NDArray[np.float32]
Mask = NDArray[np.bool_]
Read = Callable[[Sequence[Corners]], Sequence[Reading]]


class Orientation:
    """Turns each box's corners so that they start at the text's own top left."""

    def __init__(self, classifier: Session) -> None:
        self._classifier = classifier

    def turned(self, pixels: Pixels, corners: Corners, read: Read) -> Corners:
        """The corners, shape (n, 4, 2), each from its text's own top left.

        ``read`` is the recogniser, asked about a few lines only where a decision needs it.
        """
        groups = grouped(corners)
        starts = np.zeros(len(corners), int)
        if groups.standing.any():
            lines = witnesses(corners[groups.standing])
            starts[groups.standing] = better_start(lines, (1, 3), read)
        if groups.lying.any() and self._upside_down(pixels, corners[groups.lying], read):
            starts[groups.lying] = 2
        if groups.short.any():
            starts[groups.short] = self._start_of_short(pixels, corners, groups, starts, read)
        return turn(corners, starts)

    def _start_of_short(
        self,
        pixels: Pixels,
        corners: Corners,
        groups: Groups,
        starts: NDArray[np.int_],
        read: Read,
    ) -> int:
        larger = groups.larger
        if larger is not None:
            return int(starts[larger][0])
        return 2 if self._upside_down(pixels, corners[groups.short], read) else 0

    def _upside_down(self, pixels: Pixels, corners: Corners, read: Read) -> bool:
        lengths = grouped(corners).lengths
        voters = np.argsort(-lengths)[:VOTERS]
        crops = [classifier_crop(pixels, corners[one]) for one in voters]
        turned_over = self._classifier.run(to_tensor(crops))[:, 1]
        weights = lengths[voters]
        if float((turned_over * weights).sum() / weights.sum()) < SUSPICION:
            return False
        return better_start(witnesses(corners), (0, 2), read) == 2


@dataclass(frozen=True, slots=True)
class Groups:
    """Which boxes lie, stand, or are too short to tell: three masks of shape (n,), disjoint."""

    lying: Mask
    standing: Mask
    short: Mask
    lengths: NDArray[np.float32]

    @property
    def larger(self) -> Mask | None:
        """The group that has more text by length; None where every box is short."""
        if not (self.lying.any() or self.standing.any()):
            return None
        stands = self.lengths[self.standing].sum() > self.lengths[self.lying].sum()
        return self.standing if stands else self.lying


def grouped(corners: Corners) -> Groups:
    """Sort boxes, shape (n, 4, 2), by the direction in which they are elongated.

    A single digit is higher than wide, but no longer than the page's lines are thick: it is short.
    """
    across = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1)
    down = np.linalg.norm(corners[:, 0] - corners[:, 3], axis=1)
    length, thickness = np.maximum(across, down), np.minimum(across, down)
    clear = length >= 2 * ELONGATED * thickness
    usual = float(np.median(thickness[clear])) if clear.any() else 0.0
    short = length < ELONGATED * np.maximum(thickness, usual)
    return Groups(~short & (across > down), ~short & (across <= down), short, length)


def turn(corners: Corners, starts: NDArray[np.int_]) -> Corners:
    """Each box's corners, beginning with corner number ``starts[i]``."""
    order = (np.arange(4)[None, :] + starts[:, None]) % 4
    return np.take_along_axis(corners, order[:, :, None], axis=1)


def witnesses(corners: Corners) -> Corners:
    """A few lines worth reading twice: long enough to tell, short enough to be cheap."""
    lengths = np.array([_length_as_line(one) for one in corners])
    return corners[np.argsort(np.abs(lengths - 6 * LINE_HEIGHT))[:WITNESSES]]


def better_start(lines: Corners, starts: tuple[int, int], read: Read) -> int:
    """Which of two first corners reads better, by the sum over lines of score × √length."""
    both = [turn(lines, np.full(len(lines), start)) for start in starts]
    readings = read([line for side in both for line in side])
    marks = [one.score * len(one.text) ** 0.5 for one in readings]
    first, second = sum(marks[: len(lines)]), sum(marks[len(lines) :])
    return starts[0] if first >= second else starts[1]


def classifier_crop(pixels: Pixels, corners: Corners) -> Pixels:
    """The line at the classifier's size: squeezed when too long, padded mid-grey when short."""
    own = max(1, min(CLASSIFIER_WIDTH, round(line_width(corners))))
    return padded(cut_line(pixels, corners, own), CLASSIFIER_WIDTH)


def _length_as_line(corners: Corners) -> float:
    width = line_width(corners)
    return max(width, LINE_HEIGHT * LINE_HEIGHT / max(width, 1.0))

"""Which waiting items are worked on together: a pure decision, made whenever a lane is free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiting:
    """An item in the queue: its ``size`` (tokens; 1 where all are alike) and when it came.

    ``since`` is in seconds of the same clock as ``now``.
    """

    size: int
    since: float


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How a batch may grow.

    A batch costs as much as its largest item times their number, for the others are filled up to
    it, and ``overhead`` more, in the same unit, whatever is in it. ``patience`` is how long, in
    seconds, the oldest item may wait for company: worth it on a GPU, never on a CPU core, which
    does two batches of one in the time of one batch of two.
    """

    items: int
    overhead: int = 0
    patience: float = 0.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Take these items, by their places in the queue, oldest first."""

    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Take nothing before this time, unless more comes."""

    time: float


def plan_batch(queue: Sequence[Waiting], now: float, limits: BatchLimits) -> Batch | WaitUntil:
    """The next batch of a queue that is not empty, oldest item first.

    The oldest item is always in it. Another one joins, in the order in which they came, where that
    is no dearer than a batch of its own.
    """
    due = queue[0].since + limits.patience
    if len(queue) < limits.items and now < due:
        return WaitUntil(due)
    places, largest = [0], queue[0].size
    for place, item in enumerate(queue[1:], start=1):
        if len(places) == limits.items:
            break
        together = max(largest, item.size)
        grown = together * (len(places) + 1)
        if grown <= largest * len(places) + item.size + limits.overhead:
            places.append(place)
            largest = together
    return Batch(tuple(places))

"""What the soak has seen: answers, losses, memory, and the same by quarters."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from bench.soak_parts import ROLES

QUARTERS = 4
TOLD = 20
"""Losses and wrong answers that are told in words; the others are counted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One right answer: when it came, of which kind, and how long it took."""

    at: float
    kind: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Sample:
    """What the servers that were up had at a moment: resident MB, and open files."""

    at: float
    memory: dict[str, float]
    files: dict[str, int]

    @property
    def total(self) -> float | None:
        """The memory of all; None while one was away."""
        return sum(self.memory.values()) if len(self.memory) == len(ROLES) else None


Timed = TypeVar("Timed", Answer, Sample)


@dataclass
class Record:
    """Everything, in seconds since the beginning; ``length`` is how long it was meant to take."""

    length: float
    began: float = field(default_factory=time.monotonic)
    answers: list[Answer] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    events: list[tuple[float, str]] = field(default_factory=list)
    jobs: Counter[str] = field(default_factory=Counter)
    lost: list[tuple[float, str]] = field(default_factory=list)
    wrong: list[tuple[float, str]] = field(default_factory=list)
    hung_up: int = 0
    unloads: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    """5xx by who answered so: see ``soak_watch.py``."""

    def start(self) -> None:
        """The time begins now."""
        self.began = time.monotonic()

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    def right(self, kind: str, seconds: float) -> None:
        """A job was answered as it must be."""
        self.answers.append(Answer(self.now, kind, seconds))

    def lose(self, kind: str, why: str) -> None:
        """A job got no answer that is one."""
        self.lost.append((self.now, f"{kind}: {why}"))

    def err(self, kind: str, why: str) -> None:
        """A job got an answer, and it was wrong."""
        self.wrong.append((self.now, f"{kind}: {why}"))

    def happened(self, what: str) -> None:
        """An event, such as a restart, has begun."""
        self.events.append((self.now, what))

    def quarter(self, at: float) -> int:
        """The quarter of a moment, from 0; what came after the end belongs to the last."""
        return min(QUARTERS - 1, int(at / self.length * QUARTERS))

    def between(self, start: float, end: float) -> tuple[list[Answer], list[Sample]]:
        """Answers and samples of a time."""
        return _cut(self.answers, start, end), _cut(self.samples, start, end)

    def memory(self, quarter: int, role: str | None = None) -> float:
        """Median of a quarter's samples in MB: of a role while it was up, or of all together.

        Of all together only moments count at which all were up, so that a restart is not taken for
        memory that was given back.
        """
        there = [one for one in self.samples if self.quarter(one.at) == quarter]
        if role is None:
            return _median(one.total for one in there)
        return _median(one.memory.get(role) for one in there)

    def files(self, quarter: int, role: str) -> float:
        """Median of the open files of a role in a quarter."""
        there = [one for one in self.samples if self.quarter(one.at) == quarter]
        return _median(one.files.get(role) for one in there)

    def latencies(self, kind: str, quarter: int | None = None) -> list[float]:
        """Milliseconds of a kind's answers, sorted."""
        return sorted(
            one.seconds * 1e3
            for one in self.answers
            if one.kind == kind and quarter in (None, self.quarter(one.at))
        )

    @property
    def change(self) -> float:
        """By how much memory in the last quarter differs from the second one's, as a fraction."""
        return self.memory(3) / self.memory(1) - 1

    @property
    def own_errors(self) -> int:
        """How many 5xx of our own making there were."""
        return sum(self.errors.values())


def percentile(values: list[float], share: float) -> float:
    """Of sorted values; NaN of none."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def _median(values: Iterable[float | int | None]) -> float:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else float("nan")


def _cut(values: list[Timed], start: float, end: float) -> list[Timed]:
    return [one for one in values if start <= one.at < end]

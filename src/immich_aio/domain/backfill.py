"""A back-fill: how many jobs may wait at a time, and how long it takes."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from enum import Enum

AHEAD_SECONDS = 4.0
"""So much work waits in Immich's queue: a new photo's job stands behind it, and no further."""
FEWEST, MOST = 8, 2000
"""Jobs that wait at least, for the first rate is unknown, and at most."""
REMEMBERED_SECONDS = 300.0
RECENT_SECONDS = 20.0
TRIES = 2
"""How often a photo's job is queued before it counts as failed."""
SUSPICIOUS = 8
"""Jobs in a row that came to nothing, after which it is looked whether any would not."""


class Scope(Enum):
    """Which photos of those that the filters leave."""

    MISSING = "missing"
    ALL = "all"


class Speed:
    """How many photos are done in a second, by what was seen of late. Times are any clock's."""

    def __init__(self, now: float) -> None:
        self._seen: deque[tuple[float, int]] = deque([(now, 0)])

    def add(self, now: float, done: int) -> None:
        """So many more are done by now."""
        self._seen.append((now, self._seen[-1][1] + done))
        while self._seen[1][0] < now - REMEMBERED_SECONDS:
            self._seen.popleft()

    def over(self, seconds: float) -> float:
        """Photos a second in the last so many seconds."""
        end, count = self._seen[-1]
        start = next(seen for seen in self._seen if seen[0] >= end - seconds)
        return (count - start[1]) / (end - start[0]) if end > start[0] else 0.0


class Pace:
    """How many jobs are queued next: enough that nobody waits for work, and no more.

    ``per_minute`` is how many there may be at most; None leaves it to how fast they are done.
    """

    def __init__(self, now: float, per_minute: float | None = None) -> None:
        self._per_second = None if per_minute is None else per_minute / 60
        self._allowed = 1.0
        self._asked = now

    def room(self, unfinished: int, speed: float, now: float) -> int:
        """So many may be queued now, where so many are unfinished, whoever queued them."""
        depth = max(FEWEST, min(MOST, math.ceil(speed * AHEAD_SECONDS)))
        return max(0, min(depth - unfinished, self._allowance(now)))

    def queued(self, jobs: int) -> None:
        """So many were."""
        self._allowed -= jobs

    def _allowance(self, now: float) -> int:
        if self._per_second is None:
            return MOST
        most = 1 + self._per_second * AHEAD_SECONDS
        self._allowed = min(most, self._allowed + (now - self._asked) * self._per_second)
        self._asked = now
        return int(self._allowed)


@dataclass(frozen=True, slots=True)
class BackfillProgress:
    """How far a back-fill is."""

    total: int
    done: int
    failed: int
    """Photos whose jobs came to nothing, so far; each is tried once more at the end."""
    speed: float = 0.0
    """Photos a second."""

    @property
    def seconds_left(self) -> float | None:
        """At this speed; None while there is none."""
        left = max(0, self.total - self.done - self.failed)
        return left / self.speed if self.speed > 0 else None


def shown_time(seconds: float) -> str:
    """About how long that is, in words: of two units at most, as people say it."""
    for size, name, finer, short in (
        (86400, "days", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            whole, rest = divmod(round(seconds / finer), size // finer)
            more = f" {rest} {short}" if whole < 10 and rest else ""
            return f"{whole} {name[:-1] if name == 'days' and whole == 1 else name}{more}"
    return f"{math.ceil(seconds)} s"

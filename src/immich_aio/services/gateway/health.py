"""Whether a backend can be given work: told by outcomes and pings, decided without any clock.

Every method that needs the time is given it, in seconds of any monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from immich_aio.domain.tasks import TaskKind

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds that work is kept away from what failed: the first time, and at most."""

BreakerState = Literal["closed", "half-open", "open"]


@dataclass(slots=True)
class Breaker:
    """Keeps work away from what fails at it.

    closed ── a failure ──> open ── after a pause ──> half-open: one request may try
      ^                      ^ the pause doubles            │
      │                      └────────── it fails ──────────┤
      └───────────────────────────────── it succeeds ───────┘
    """

    reason: str = ""
    """Why it is not closed, in words for people."""

    _opens_again: float | None = None
    _pause: float = FIRST_PAUSE
    _trying: bool = False

    def state(self, now: float) -> BreakerState:
        """What it is."""
        if self._opens_again is None:
            return "closed"
        return "open" if now < self._opens_again else "half-open"

    def allows(self, now: float) -> bool:
        """Whether a request may begin."""
        state = self.state(now)
        return state == "closed" or (state == "half-open" and not self._trying)

    def changes_at(self, now: float) -> float | None:
        """When a request may begin that may not now, if only time is wanting."""
        return self._opens_again if self.state(now) == "open" else None

    def begin(self, now: float) -> None:
        """A request begins, which must be allowed."""
        self._trying = self._trying or self.state(now) == "half-open"

    def succeeded(self) -> None:
        """A request did, also one that began long ago: what answers is well."""
        self._opens_again = None
        self._trying = False
        self._pause = FIRST_PAUSE
        self.reason = ""

    def failed(self, now: float, reason: str) -> None:
        """A request failed. While it is open that is no news: it had begun before."""
        state = self.state(now)
        if state == "open":
            return
        self._pause = FIRST_PAUSE if state == "closed" else min(2 * self._pause, LONGEST_PAUSE)
        self._opens_again = now + self._pause
        self._trying = False
        self.reason = reason

    def let_go(self) -> None:
        """A request ended and nothing was learnt, such as when its caller hung up."""
        self._trying = False


@dataclass(slots=True)
class Reach:
    """Whether a server can be reached; shared by all that is asked of it."""

    reason: str = ""
    """Why it cannot, in words for people; empty while it can."""

    complaint: str = ""
    """What it has against us although it answers, such as that the key is wrong."""

    losses: int = 0
    """How often it could not be reached any more; after each it may be another server."""

    @property
    def reachable(self) -> bool:
        """Whether it was, when it was last heard of."""
        return not self.reason

    def lost(self, reason: str) -> bool:
        """It does not answer; whether that is news."""
        is_news = self.reachable
        self.losses += is_news
        self.reason = reason
        return is_news

    def found(self, complaint: str = "") -> bool:
        """It answers; whether that is news."""
        is_news = not self.reachable
        self.reason = ""
        self.complaint = complaint
        return is_news


@dataclass(slots=True)
class Slots:
    """How many requests a backend is given at once."""

    limit: int
    taken: int = 0

    @property
    def free(self) -> bool:
        """Whether one more may begin."""
        return self.taken < self.limit


@dataclass(slots=True, eq=False)
class Lane:
    """What one backend does of one kind, and how it stands with that."""

    backend: str
    kind: TaskKind
    slots: Slots
    reach: Reach = field(default_factory=Reach)
    weight: float = 1.0
    timeout: float | None = None
    """Seconds for one request; None where it sees to that itself."""

    breaker: Breaker = field(default_factory=Breaker)
    suspect: bool = False
    """It failed, and whether that is its own fault is being found out."""
    busy_until: float = 0.0
    last_used: int = 0
    answered: int = 0
    failed: int = 0
    """Requests it answered, and tries at which it failed."""
    seconds: float = 0.0
    """How long an answer takes it, about."""

    def allows(self, now: float) -> bool:
        """Whether a request may begin."""
        return self.slots.free and now >= self.busy_until and self.is_well(now)

    def is_well(self, now: float) -> bool:
        """Whether it would answer, as far as is known, once it has a place."""
        return not self.suspect and self.reach.reachable and self.breaker.allows(now)

    def changes_at(self, now: float) -> float | None:
        """When that may change by time alone."""
        times = [self.breaker.changes_at(now), self.busy_until if now < self.busy_until else None]
        return max((time for time in times if time is not None), default=None)

    @property
    def load(self) -> float:
        """Its work in relation to its weight, with one more request."""
        return (self.slots.taken + 1) / self.weight

    def note(self, seconds: float) -> None:
        """An answer took so long."""
        self.seconds += (seconds - self.seconds) * (0.1 if self.answered else 1)
        self.answered += 1

    def ails(self, now: float) -> str:
        """Why it gets no work, in words for people; empty where it does."""
        if not self.reach.reachable:
            return self.reach.reason
        return "" if self.breaker.state(now) == "closed" else self.breaker.reason

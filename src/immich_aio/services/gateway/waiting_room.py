"""Where requests wait until a backend can take them: bounded, first come first served, texts first.

Nothing here blocks, and whoever leaves frees the place at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from time import monotonic

from immich_aio.errors import (
    AioError,
    OverloadedError,
    TimeoutExceededError,
    UnavailableError,
)
from immich_aio.services.gateway.choice import choose
from immich_aio.services.gateway.health import Lane
from immich_aio.services.gateway.routing import Unit

TEXT_PLACES = 256
"""Places of text queries, which images cannot take from them."""

RETRY_AFTER = 5
"""Seconds after which whoever was refused may try again."""

Groups = tuple[tuple[Lane, ...], ...]


@dataclass(slots=True, eq=False)
class Trip:
    """One unit on its way: who can do it, until when, and what has become of it so far.

    Times are those of ``time.monotonic``, for the event loop's own costs a system call to ask.
    """

    unit: Unit
    groups: Groups
    began: float
    deadline: float
    failures: dict[Lane, int] = field(default_factory=dict)
    strikes: int = 0
    """How often it failed where everything else succeeds."""
    was_alone: bool = False
    """Whether its last backend had nothing else to do."""
    answered_before: int | None = None
    """How much a backend had answered when it failed on this alone, and was not well then."""
    last_error: AioError | None = None
    waited: float = 0.0
    """Seconds without a backend."""
    backend: str = ""
    """Who answered."""
    seconds: float = 0.0
    """How long that took."""

    @property
    def is_text(self) -> bool:
        """Whether a person waits for it."""
        return self.unit.kind == "clip-text"

    def failure(self, error: AioError) -> AioError:
        """An error that says what failed: of several tasks, a person must know which."""
        error.args = (f"{self.unit.title} failed. {error.message}",)
        return error


@dataclass(slots=True, eq=False)
class _Waiter:
    trip: Trip
    turn: asyncio.Future[Lane]


class WaitingRoom:
    """Gives out the places at the backends. ``size`` images may wait for one."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._queues: dict[Groups, deque[_Waiter]] = {}
        self._turns = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._stopped = asyncio.Event()

    @property
    def waiting(self) -> dict[str, int]:
        """How many wait, by kind of task."""
        found: dict[str, int] = {}
        for queue in self._queues.values():
            kind = queue[0].trip.unit.kind
            found[kind] = found.get(kind, 0) + len(queue)
        return found

    @property
    def oldest(self) -> float | None:
        """Since when the one has been waiting that waits longest."""
        return min((queue[0].trip.began for queue in self._queues.values()), default=None)

    def admit(self, trip: Trip) -> None:
        """Raises OverloadedError where it would have to wait and there is no place for that."""
        count = self._count(texts=trip.is_text)
        places = TEXT_PLACES if trip.is_text else self._size
        if count >= places and choose(trip.groups, trip.failures, monotonic()) is None:
            raise OverloadedError(
                f"{count} requests wait for a backend already; try again later, or raise "
                "WAITING_ROOM.",
                retry_after=RETRY_AFTER,
            )

    def take(self, trip: Trip) -> Lane | None:
        """A place at a backend, if there is one and nobody waits for it."""
        if trip.groups in self._queues:
            return None
        now = monotonic()
        lane = choose(trip.groups, trip.failures, now)
        return None if lane is None else self._occupied(lane, now)

    async def wait(self, trip: Trip) -> Lane:
        """A place at a backend as soon as there is one.

        Raises OverloadedError as ``admit``; what last happened to the trip when its time is over;
        UnavailableError when the service ends.
        """
        if self._stopped.is_set() and not _has_hope(trip):
            raise _stopping()
        if not trip.failures:  # it was not in hand before, so nothing is lost yet
            self.admit(trip)
        waiter = _Waiter(trip, asyncio.get_running_loop().create_future())
        self._enter(waiter)
        self.look()
        began = monotonic()
        try:
            async with asyncio.timeout(trip.deadline - began):
                return await waiter.turn
        except TimeoutError:
            self._leave(waiter)
            raise _given_up(trip) from None
        except BaseException:
            self._leave(waiter)
            raise
        finally:
            trip.waited += monotonic() - began

    async def rest(self, seconds: float) -> None:
        """Wait a while. Raises UnavailableError when the service ends."""
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            return
        raise _stopping()

    def give_back(self, lane: Lane) -> None:
        """A place is free again."""
        lane.slots.taken -= 1
        self.look()

    def look(self) -> None:
        """Something has changed: let in whoever can be."""
        if not self._queues:
            return
        now = monotonic()
        for queue in sorted(self._queues.values(), key=_rank):
            while queue and (lane := _lane_for(queue[0].trip, now)) is not None:
                waiter = queue.popleft()
                if not waiter.turn.done():
                    waiter.turn.set_result(self._occupied(lane, now))
        self._tidy(now)

    def stop(self) -> None:
        """Tell all who wait, and all who would, for what is not well, that it will not come.

        Whoever only waits for his turn still gets it.
        """
        self._stopped.set()
        for queue in self._queues.values():
            for waiter in queue:
                if not waiter.turn.done() and not _has_hope(waiter.trip):
                    waiter.turn.set_exception(_stopping())

    def _count(self, *, texts: bool) -> int:
        return sum(len(queue) for queue in self._queues.values() if queue[0].trip.is_text == texts)

    def _enter(self, waiter: _Waiter) -> None:
        queue = self._queues.setdefault(waiter.trip.groups, deque())
        if waiter.trip.failures and waiter.trip.answered_before is None:
            queue.appendleft(waiter)  # it came before all who have not been in hand yet
        else:
            queue.append(waiter)

    def _leave(self, waiter: _Waiter) -> None:
        """Who goes gives back the place, also one that was given at that very moment."""
        if waiter.turn.done() and not waiter.turn.cancelled():
            if waiter.turn.exception() is None:
                lane = waiter.turn.result()
                lane.breaker.let_go()
                self.give_back(lane)
            return
        queue = self._queues.get(waiter.trip.groups)
        if queue is not None and waiter in queue:
            queue.remove(waiter)
            self._tidy(monotonic())

    def _occupied(self, lane: Lane, now: float) -> Lane:
        lane.slots.taken += 1
        self._turns += 1
        lane.last_used = self._turns
        lane.breaker.begin(now)
        return lane

    def _tidy(self, now: float) -> None:
        """Forget empty queues, and look again when time alone lets somebody in."""
        for groups in [groups for groups, queue in self._queues.items() if not queue]:
            del self._queues[groups]
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        times = [
            time
            for groups in self._queues
            for group in groups
            for lane in group
            if (time := lane.changes_at(now)) is not None
        ]
        if times:
            self._alarm = asyncio.get_running_loop().call_later(min(times) - now, self.look)


def _has_hope(trip: Trip) -> bool:
    """Whether one who can do it is well, and only busy."""
    now = monotonic()
    lanes = (lane for group in trip.groups for lane in group)
    return any(not lane.suspect and not lane.ails(now) for lane in lanes)


def _lane_for(trip: Trip, now: float) -> Lane | None:
    return choose(trip.groups, trip.failures, now)


def _rank(queue: deque[_Waiter]) -> tuple[bool, float]:
    return (not queue[0].trip.is_text, queue[0].trip.began)


def _given_up(trip: Trip) -> AioError:
    if trip.last_error is not None:
        return trip.last_error
    seconds = trip.deadline - trip.began
    setting = "QUERY_WAIT" if trip.is_text else "JOB_WAIT"
    ailments = sorted(
        {why for group in trip.groups for lane in group if (why := lane.ails(monotonic()))}
    )
    why = " ".join(ailments) or "All of them were busy."
    return TimeoutExceededError(
        f"No backend could take {trip.unit.title} within {seconds:g} s ({setting}). {why}"
    )


def _stopping() -> UnavailableError:
    return UnavailableError("The gateway is shutting down; try again.")

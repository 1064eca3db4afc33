"""How a unit gets its answer: at a backend, at another one if that fails, later if none can now.

Immich never repeats what failed, so a failure is passed on only where it is the request's own, or
when its time is over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from immich_aio.domain.tasks import TaskKind
from immich_aio.errors import (
    AioError,
    BadInputError,
    CancelledWorkError,
    InternalError,
    OverloadedError,
    SpillError,
    TimeoutExceededError,
    TooLargeError,
    UnavailableError,
    UnreachableError,
)
from immich_aio.services.gateway.backends import Answer, Backend
from immich_aio.services.gateway.examination import Examiner
from immich_aio.services.gateway.given import Given
from immich_aio.services.gateway.health import Lane
from immich_aio.services.gateway.routing import Unit
from immich_aio.services.gateway.waiting_room import Groups, Trip, WaitingRoom

log = logging.getLogger(__name__)

NOT_THE_BACKENDS = (BadInputError, TooLargeError, CancelledWorkError, SpillError)
"""The caller's fault, or our own: no other backend could do better."""

MOST_STRIKES = 3
"""Failures of a request, where all else succeeds, after which the fault is its own."""

REST = 0.5
"""Seconds before a request that failed is tried again where it failed."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: how long images and texts may take in all, and after how many a text that is not
    answered yet is tried elsewhere.
    """

    image: float = 900.0
    text: float = 10.0
    text_attempt: float = 3.0


class Observer(Protocol):
    """Is told what happened."""

    def answered(self, lane: Lane, trip: Trip) -> None:
        """A backend answered."""
        ...

    def failed(self, lane: Lane, trip: Trip, error: AioError) -> None:
        """A backend did not; the request is not lost."""
        ...

    def lost(self, lane: Lane) -> None:
        """A backend cannot be reached any more."""
        ...


class Dispatcher:
    """Has every unit done, by ``backends``, whose lanes are given by name and kind."""

    def __init__(
        self,
        backends: Mapping[str, Backend],
        lanes: Mapping[tuple[str, TaskKind], Lane],
        room: WaitingRoom,
        patience: Patience,
        observer: Observer,
    ) -> None:
        self._backends = backends
        self._lanes = lanes
        self._room = room
        self._patience = patience
        self._observer = observer
        self._examiner = Examiner(backends, room.look, observer.lost)

    def trip(self, unit: Unit) -> Trip:
        """A unit sets out now. Raises OverloadedError where there is no place for it."""
        groups: Groups = tuple(
            tuple(self._lanes[name, unit.kind] for name in group) for group in unit.order
        )
        now = monotonic()
        is_text = unit.kind == "clip-text"
        patience = self._patience.text if is_text else self._patience.image
        trip = Trip(unit, groups, now, now + patience)
        self._room.admit(trip)
        return trip

    def weights(self, trip: Trip) -> str:
        """What tells the weights behind the unit's vectors from others; empty while unknown.

        A server that was lost may have come back with others.
        """
        lanes = [lane for group in trip.groups for lane in group]
        known = [self._backends[lane.backend].clip_identity() for lane in lanes]
        losses = [str(lane.reach.losses) for lane in lanes]
        return " ".join(known + losses) if all(known) else ""

    async def close(self) -> None:
        """End what runs on nobody's behalf."""
        await self._examiner.close()

    async def perform(self, trip: Trip, given: Given) -> Answer:
        """The answer to a unit. Raises the error of whoever failed it, which names it."""
        while True:
            lane = self._room.take(trip) or await self._room.wait(trip)
            try:
                return await self._attempt(lane, trip, given)
            except AioError as error:
                await self._recover(lane, trip, given, error)

    async def _attempt(self, lane: Lane, trip: Trip, given: Given) -> Answer:
        began = monotonic()
        try:
            answer = await self._in_time(lane, trip, given)
            lane.breaker.succeeded()
        except AioError as error:
            self._learn(lane, error)
            raise
        except BaseException:
            lane.breaker.let_go()
            raise
        finally:
            trip.was_alone = lane.slots.taken == 1
            self._room.give_back(lane)
        trip.backend, trip.seconds = lane.backend, monotonic() - began
        lane.note(trip.seconds)
        self._observer.answered(lane, trip)
        return answer

    async def _in_time(self, lane: Lane, trip: Trip, given: Given) -> Answer:
        """What the backend answers in the time that it has, which begins when it has it all."""
        seconds, body = self._seconds(lane, trip), given.body
        arrives = body if body is not None and not body.arrived.is_set() else None
        limit = asyncio.timeout(None if arrives else seconds)
        if arrives is not None and seconds is not None:
            loop = asyncio.get_running_loop()
            arrives.when_arrived = lambda: limit.reschedule(loop.time() + seconds)
        try:
            async with limit:
                return await self._backends[lane.backend].perform(trip.unit, given)
        except AioError:
            raise
        except Exception as error:
            if limit.expired():
                raise _late(lane, trip, seconds) from None
            log.exception("%s failed at %s", lane.backend, trip.unit.title)
            raise InternalError(f"{lane.backend} failed: {type(error).__name__}.") from error
        finally:
            if arrives is not None:
                arrives.when_arrived = None

    def _seconds(self, lane: Lane, trip: Trip) -> float | None:
        """How long a backend has: less for a text that another one could answer, now or soon."""
        if lane.timeout is None or not trip.is_text:
            return lane.timeout
        now = monotonic()
        left = max(0.1, trip.deadline - now)
        others = any(
            other is not lane and other.is_well(now) for group in trip.groups for other in group
        )
        return min(self._patience.text_attempt, left) if others else left

    def _learn(self, lane: Lane, error: AioError) -> None:
        """What a failure says of a backend, as far as that is plain."""
        now = monotonic()
        match error:
            case OverloadedError():
                lane.busy_until = now + error.retry_after
                lane.breaker.let_go()
            case UnreachableError():
                lane.breaker.failed(now, error.message)  # it may answer pings nevertheless
                if lane.reach.lost(error.message):
                    self._observer.lost(lane)
            case _ if isinstance(error, NOT_THE_BACKENDS):
                lane.breaker.let_go()
            case UnavailableError():
                lane.breaker.failed(now, error.message)
            case _:
                lane.suspect = True

    async def _recover(self, lane: Lane, trip: Trip, given: Given, error: AioError) -> None:
        """Make ready for another try. Raises the error where there is to be none."""
        if isinstance(error, NOT_THE_BACKENDS):
            raise error
        lane.failed += 1
        trip.failures[lane] = trip.failures.get(lane, 0) + 1
        trip.last_error = error
        self._observer.failed(lane, trip, error)
        if lane.suspect:
            await self._judge(lane, trip, given, error)
        elif isinstance(error, UnavailableError) and _refused_by_all(trip):
            raise trip.failure(error)
        if monotonic() >= trip.deadline:
            raise trip.failure(error)
        if given.body is not None:
            await given.body.read()  # from now on it must be there as a whole

    async def _judge(self, lane: Lane, trip: Trip, given: Given, error: AioError) -> None:
        """Find out whose fault it was. Raises the error where it was the request's own."""
        examination = self._examiner.examine(lane, trip.unit, error)
        if trip.is_text:  # a person waits; the other backends are asked meanwhile
            await self._room.rest(0 if self._has_another(lane, trip) else REST)
            return
        await _refuse_what_is_no_image(given)
        was_alone = trip.was_alone
        if await examination or _is_deadly(lane, trip, alone=was_alone):
            trip.strikes += 1
            if trip.strikes >= MOST_STRIKES:
                raise trip.failure(error)
            await self._room.rest(REST * trip.strikes)

    def _has_another(self, lane: Lane, trip: Trip) -> bool:
        now = monotonic()
        return any(
            other is not lane and other.allows(now) and not trip.failures.get(other)
            for group in trip.groups
            for other in group
        )


def _is_deadly(lane: Lane, trip: Trip, *, alone: bool) -> bool:
    """Whether a backend that is not well now may be so because of this request.

    It was alone there, and others have succeeded since it failed the last time: some files end
    whatever server tries to read them, and would do so again and again.
    """
    if not alone:
        return False
    before, trip.answered_before = trip.answered_before, lane.answered
    return before is not None and lane.answered > before


def _refused_by_all(trip: Trip) -> bool:
    return all(trip.failures.get(lane) for group in trip.groups for lane in group)


def _late(lane: Lane, trip: Trip, seconds: float | None) -> TimeoutExceededError:
    setting = "QUERY_TIMEOUT" if trip.is_text else "UPSTREAM_TIMEOUT"
    return TimeoutExceededError(f"{lane.backend} did not answer within {seconds:g} s ({setting}).")


async def _refuse_what_is_no_image(given: Given) -> None:
    """Raises BadImageError for what no backend can read, whatever it answered."""
    image = (await given.fields()).image
    if image is not None:
        # Decoders take megabytes, which a companion alone has no use for.
        from immich_aio.wire.image_file import read_size  # noqa: PLC0415

        read_size(image)

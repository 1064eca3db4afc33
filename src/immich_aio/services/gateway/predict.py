"""``POST /predict``: take a request apart, have each unit done in its place, join the answers."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from immich_aio.domain.routes import RoutingTable
from immich_aio.domain.tasks import TaskKind
from immich_aio.services.gateway.backends import Answer
from immich_aio.services.gateway.body import Body
from immich_aio.services.gateway.dispatch import Dispatcher
from immich_aio.services.gateway.given import Given
from immich_aio.services.gateway.observation import Observation
from immich_aio.services.gateway.routing import Unit, plan
from immich_aio.services.gateway.spool import Blob, Spool
from immich_aio.services.gateway.vector_cache import VectorCache
from immich_aio.services.gateway.waiting_room import Trip
from immich_aio.services.http.hang_up import UntilHungUp
from immich_aio.services.http.metrics import server_timing
from immich_aio.upstream.http import HttpReply
from immich_aio.wire import immich_answers, immich_ml

LONGEST_KNOWN = 2048
"""Bytes of ``entries`` that are worth remembering."""

NEEDED: dict[TaskKind, tuple[str, str]] = {
    "ocr": ("image", "OCR"),
    "clip-image": ("image", "CLIP"),
    "clip-text": ("text", "CLIP"),
    "faces": ("image", "Facial recognition"),
}
"""The field that a task needs, and how messages call the task."""

REPLY_HEADERS = ("content-type", "content-encoding", "retry-after")


class Planner:
    """Reads what is asked, and says who can do it."""

    def __init__(self, table: RoutingTable) -> None:
        self._table = table
        self._known = functools.lru_cache(maxsize=256)(self._plan)

    def units(self, entries: bytes) -> tuple[Unit, ...]:
        """The units of a request. Thousands of photos come with the same words.

        Raises UnprocessableError or UnavailableError.
        """
        return self._known(entries) if len(entries) <= LONGEST_KNOWN else self._plan(entries)

    def _plan(self, entries: bytes) -> tuple[Unit, ...]:
        return plan(immich_ml.parse_entries(entries), self._table)


@dataclass(frozen=True, slots=True)
class Predictor:
    """Answers ``/predict``: ``planner`` says who, ``dispatcher`` lets in, ``cache`` has it done."""

    planner: Planner
    dispatcher: Dispatcher
    cache: VectorCache
    spool: Spool
    observation: Observation
    max_upload_bytes: int

    async def answer(self, request: Request) -> Response:
        """The reply to one request; every failure is an AioError, never an empty success."""
        blob = self.spool.blob()
        try:
            return await self._answer(request, blob)
        finally:
            blob.close()

    async def _answer(self, request: Request, blob: Blob) -> Response:
        body = Body(request, self.max_upload_bytes, blob)
        units = self.planner.units(await body.entries())
        trips = [self.dispatcher.trip(unit) for unit in units]
        given = Given(body=body)
        if not (trips[0].unit.whole and body.is_large):
            await body.read()
            await _refuse_what_is_missing(trips, given)
        async with UntilHungUp(request, body.arrived):
            answers = await self._all(trips, given)
        began = time.perf_counter()
        reply = _reply(answers)
        converted = time.perf_counter() - began
        reply.headers["Server-Timing"] = _timing(trips, answers, converted)
        self.observation.replied(answers, converted)
        return reply

    async def _all(self, trips: Sequence[Trip], given: Given) -> list[Answer]:
        """Each unit in its place, all at once; one failure fails the request."""
        if len(trips) == 1:
            return [await self.cache.perform(trips[0], given)]
        try:
            async with asyncio.TaskGroup() as group:
                work = [group.create_task(self.cache.perform(trip, given)) for trip in trips]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in work]


async def _refuse_what_is_missing(trips: Sequence[Trip], given: Given) -> None:
    """What we take apart ourselves must be whole before it waits for anything."""
    body = given.body
    if trips[0].unit.whole or body is None or not body.is_in_memory:
        return
    for trip in trips:
        if (needed := NEEDED.get(trip.unit.kind)) is not None:
            await given.require(*needed)


def _reply(answers: Sequence[Answer]) -> Response:
    relayed = answers[0].relayed
    if relayed is not None:
        return _as_it_came(relayed)
    return JSONResponse(immich_answers.merge_replies(answer.reply for answer in answers))


def _as_it_came(reply: HttpReply) -> Response:
    headers = {name: value for name in REPLY_HEADERS if (value := reply.headers.get(name))}
    return Response(reply.body, reply.status, headers)


def _timing(trips: Sequence[Trip], answers: Sequence[Answer], converted: float) -> str:
    """Where the time went: in the engines, as far as they say; and in the gateway."""
    parts = [server_timing(answer.timings) for answer in answers if answer.timings is not None]
    for trip in trips:
        parts.append(f"wait;dur={trip.waited * 1e3:.1f}")
        parts.append(f'backend;dur={trip.seconds * 1e3:.1f};desc="{trip.backend}"')
    return ", ".join([*parts, f"convert;dur={converted * 1e3:.1f}"])

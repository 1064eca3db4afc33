"""Whose fault a failure was is found out with a request that every well backend can answer."""

from __future__ import annotations

import asyncio

import pytest

from immich_aio.domain.tasks import OcrTask
from immich_aio.errors import AioError, BadInputError, UnreachableError, UpstreamError
from immich_aio.services.gateway.backends import Answer
from immich_aio.services.gateway.examination import Examiner
from immich_aio.services.gateway.given import Given
from immich_aio.services.gateway.health import Lane, Slots
from immich_aio.services.gateway.routing import Unit

UNIT = Unit((OcrTask("m"),), (("one",),))


class Failing:
    """A backend that fails at everything in one way, or at nothing."""

    def __init__(self, error: AioError | None) -> None:
        self._error = error
        self.asked: list[bytes | None] = []

    async def perform(self, unit: Unit, given: Given) -> Answer:
        assert unit.kind == "ocr"
        self.asked.append((await given.fields()).image)
        if self._error is not None:
            raise self._error
        return Answer({})

    async def ping(self) -> None:
        """It is there."""

    def clip_identity(self) -> str:
        return ""


async def examined(error: AioError | None) -> tuple[bool, Lane, list[Lane], Failing]:
    """Whether a backend is found well, its lane, and who was told lost."""
    lane, lost, backend = Lane("one", "ocr", Slots(1)), list[Lane](), Failing(error)
    lane.suspect = True
    examiner = Examiner({"one": backend}, lambda: None, lost.append)
    well = await examiner.examine(lane, UNIT, UpstreamError("it broke off"))
    return well, lane, lost, backend


@pytest.mark.parametrize("error", [None, BadInputError("no")])
async def test_a_backend_that_answers_a_good_page_is_well(error: AioError | None) -> None:
    well, lane, lost, backend = await examined(error)
    assert well
    assert lane.allows(0)
    assert lost == []
    assert backend.asked[0] is not None
    assert backend.asked[0].startswith(b"\xff\xd8")


async def test_one_that_fails_at_it_too_is_left_alone_with_the_reason() -> None:
    well, lane, lost, _ = await examined(UpstreamError("again"))
    assert not well
    assert not lane.suspect
    assert lane.breaker.reason == "it broke off"
    assert lost == []


async def test_one_that_is_gone_is_told_so_that_its_return_is_looked_for_at_once() -> None:
    well, lane, lost, _ = await examined(UnreachableError("gone"))
    assert not well
    assert not lane.reach.reachable
    assert lost == [lane]


async def test_what_fails_just_as_an_examination_ends_is_examined_anew() -> None:
    """Else it would be suspect for ever, and get no work."""
    lane, backend, failures = Lane("one", "ocr", Slots(1)), Failing(None), 2
    ended = asyncio.Event()

    def done() -> None:
        nonlocal failures
        failures -= 1
        if failures:  # before the event loop tells anyone that the task has ended
            asyncio.get_running_loop().call_soon(fail)
        else:
            ended.set()

    def fail() -> None:
        lane.suspect = True
        examiner.examine(lane, UNIT, UpstreamError("it broke off"))

    examiner = Examiner({"one": backend}, done, lambda _: None)
    fail()
    await asyncio.wait_for(ended.wait(), 30)
    assert not lane.suspect

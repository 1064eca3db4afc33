"""Nobody waits without need, nobody waits in vain, and whoever leaves frees his place."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from immich_aio.domain.tasks import ClipTextTask, OcrTask, Task
from immich_aio.errors import (
    OverloadedError,
    TimeoutExceededError,
    UnavailableError,
    UpstreamError,
)
from immich_aio.services.gateway.health import Lane, Slots
from immich_aio.services.gateway.routing import Unit
from immich_aio.services.gateway.waiting_room import TEXT_PLACES, Trip, WaitingRoom

IMAGE, TEXT = OcrTask("m"), ClipTextTask("m")
LONG = 60.0


def lane(name: str = "one", limit: int = 1) -> Lane:
    return Lane(name, "ocr", Slots(limit))


def trip(*lanes: Lane, task: Task = IMAGE, patience: float = LONG) -> Trip:
    now = monotonic()
    order = (tuple(one.backend for one in lanes),)
    return Trip(Unit((task,), order), (lanes,), now, now + patience)


async def turns() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_free_place_is_given_at_once() -> None:
    room, one = WaitingRoom(10), lane()
    assert room.take(trip(one)) is one
    assert room.take(trip(one)) is None
    assert one.slots.taken == 1


async def test_whoever_waits_gets_the_place_that_is_given_back_in_the_order_of_arrival() -> None:
    room, one = WaitingRoom(10), lane()
    room.take(trip(one))
    got: list[int] = []

    async def wait(number: int) -> None:
        got_lane = await room.wait(trip(one))
        got.append(number)
        room.give_back(got_lane)

    waiting = [asyncio.create_task(wait(number)) for number in range(5)]
    await turns()
    assert room.waiting == {"ocr": 5}
    room.give_back(one)
    await asyncio.gather(*waiting)
    assert got == [0, 1, 2, 3, 4]
    assert (room.waiting, one.slots.taken) == ({}, 0)


async def test_nobody_overtakes_those_who_wait() -> None:
    room, one = WaitingRoom(10), lane()
    room.take(trip(one))
    waiting = asyncio.create_task(room.wait(trip(one)))
    await turns()
    one.slots.limit = 2
    assert room.take(trip(one)) is None
    room.look()
    assert await waiting is one


async def test_who_was_in_hand_before_comes_before_who_was_not() -> None:
    room, one = WaitingRoom(10), lane()
    room.take(trip(one))
    new, again = trip(one), trip(one)
    again.failures = {one: 1}
    tasks = [asyncio.create_task(room.wait(each)) for each in (new, again)]
    await turns()
    room.give_back(one)
    await turns()
    assert [task.done() for task in tasks] == [False, True]
    room.give_back(one)
    await asyncio.gather(*tasks)


async def test_texts_come_before_images_that_came_before_them() -> None:
    room, one = WaitingRoom(10), lane()
    room.take(trip(one))
    other = lane("other")
    other.slots = one.slots
    image = asyncio.create_task(room.wait(trip(one)))
    await turns()
    text = asyncio.create_task(room.wait(trip(other, task=TEXT)))
    await turns()
    room.give_back(one)
    await turns()
    assert (text.done(), image.done()) == (True, False)
    room.give_back(await text)
    await image


async def test_a_full_room_refuses_at_once_and_says_what_to_raise() -> None:
    room, one = WaitingRoom(2), lane()
    room.take(trip(one))
    waiting = [asyncio.create_task(room.wait(trip(one))) for _ in range(2)]
    await turns()
    with pytest.raises(OverloadedError, match="WAITING_ROOM") as raised:
        room.admit(trip(one))
    assert raised.value.retry_after > 0
    room.admit(trip(lane("free")))  # whoever need not wait needs no place
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_images_take_no_place_from_texts() -> None:
    room, one = WaitingRoom(0), lane()
    room.take(trip(one))
    with pytest.raises(OverloadedError):
        room.admit(trip(one))
    room.admit(trip(one, task=TEXT))
    assert TEXT_PLACES > 0


async def test_who_failed_once_has_a_place_also_where_the_room_is_full() -> None:
    room, one = WaitingRoom(0), lane()
    room.take(trip(one))
    again = trip(one)
    again.failures = {one: 1}
    waiting = asyncio.create_task(room.wait(again))
    await turns()
    room.give_back(one)
    assert await waiting is one


async def test_whoever_leaves_frees_the_place_also_one_that_was_just_given() -> None:
    room, one = WaitingRoom(10), lane()
    room.take(trip(one))
    first, second = (asyncio.create_task(room.wait(trip(one))) for _ in range(2))
    await turns()
    first.cancel()
    await turns()
    assert room.waiting == {"ocr": 1}
    third = asyncio.create_task(room.wait(trip(one)))
    await turns()
    room.give_back(one)  # the second has it now, and does not know yet
    second.cancel()
    assert await third is one
    assert one.slots.taken == 1


async def test_when_patience_ends_the_answer_says_who_ailed_and_which_setting() -> None:
    room, one = WaitingRoom(10), lane()
    one.reach.lost("one is out")
    with pytest.raises(TimeoutExceededError, match=r"OCR within 0 s \(JOB_WAIT\)\. one is out"):
        await room.wait(trip(one, patience=0))
    with pytest.raises(TimeoutExceededError, match="QUERY_WAIT"):
        await room.wait(trip(one, task=TEXT, patience=0))


async def test_when_patience_ends_after_a_failure_that_failure_is_the_answer() -> None:
    room, one = WaitingRoom(10), lane()
    one.reach.lost("one is out")
    tried = trip(one, patience=0)
    tried.failures, tried.last_error = {one: 1}, UpstreamError("out of memory")
    with pytest.raises(UpstreamError, match="out of memory"):
        await room.wait(tried)


async def test_a_pause_that_ends_lets_in_without_anybody_saying_so() -> None:
    room, one = WaitingRoom(10), lane()
    one.busy_until = monotonic() + 0.01
    assert await room.wait(trip(one)) is one


async def test_the_end_of_the_service_lets_everyone_have_his_turn_who_only_waits_for_that() -> None:
    room, one = WaitingRoom(10), lane()
    room.take(trip(one))
    waiting = asyncio.create_task(room.wait(trip(one)))
    await turns()
    room.stop()
    late = asyncio.create_task(room.wait(trip(one)))
    await turns()
    for task in (waiting, late):
        room.give_back(one)
        assert await task is one


async def test_the_end_of_the_service_answers_all_who_wait_for_what_is_not_well() -> None:
    room, one = WaitingRoom(10), lane()
    one.reach.lost("gone")
    waiting = asyncio.create_task(room.wait(trip(one)))
    resting = asyncio.create_task(room.rest(LONG))
    await turns()
    room.stop()
    for task in (waiting, resting):
        with pytest.raises(UnavailableError, match="shutting down"):
            await task
    with pytest.raises(UnavailableError, match="shutting down"):
        await room.wait(trip(one))


async def test_the_oldest_is_known() -> None:
    room, one = WaitingRoom(10), lane()
    assert room.oldest is None
    room.take(trip(one))
    first = trip(one)
    tasks = [asyncio.create_task(room.wait(each)) for each in (first, trip(one))]
    await turns()
    assert room.oldest == first.began
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

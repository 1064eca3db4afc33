"""Batches: the oldest is always served, nobody joins at a loss, and limits hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from immich_aio.engines.batch_plan import Batch, BatchLimits, Waiting, WaitUntil, plan_batch

QUEUES = st.lists(st.builds(Waiting, st.integers(1, 52), st.floats(0, 10)), min_size=1, max_size=40)
LIMITS = st.builds(BatchLimits, st.integers(1, 16), st.integers(0, 20))


def cost(sizes: list[int], limits: BatchLimits) -> int:
    return limits.overhead + max(sizes) * len(sizes)


def planned(sizes: list[int], limits: BatchLimits) -> tuple[int, ...]:
    """The places of a plan for items that need not wait."""
    plan = plan_batch([Waiting(size, 0.0) for size in sizes], 0.0, limits)
    assert isinstance(plan, Batch)
    return plan.places


@given(QUEUES, LIMITS)
def test_the_oldest_is_in_every_batch_and_none_is_too_large(
    queue: list[Waiting], limits: BatchLimits
) -> None:
    places = planned([item.size for item in queue], limits)
    assert places[0] == 0
    assert len(places) <= limits.items
    assert list(places) == sorted(set(places))


@given(QUEUES, LIMITS)
def test_a_batch_is_never_dearer_than_its_items_one_by_one(
    queue: list[Waiting], limits: BatchLimits
) -> None:
    sizes = [queue[place].size for place in planned([item.size for item in queue], limits)]
    assert cost(sizes, limits) <= sum(cost([size], limits) for size in sizes)


@given(QUEUES, LIMITS)
def test_every_item_is_served_in_the_end(queue: list[Waiting], limits: BatchLimits) -> None:
    left = list(range(len(queue)))
    rounds = 0
    while left:
        places = planned([queue[number].size for number in left], limits)
        left = [number for place, number in enumerate(left) if place not in places]
        rounds += 1
    assert rounds <= len(queue)


def test_items_of_one_size_fill_the_batch_in_their_order() -> None:
    assert planned([1] * 10, BatchLimits(8)) == (0, 1, 2, 3, 4, 5, 6, 7)


def test_a_long_text_waits_rather_than_stretch_the_short_ones() -> None:
    assert planned([4, 52, 5, 4], BatchLimits(8, overhead=8)) == (0, 2, 3)


def test_short_texts_do_not_ride_with_a_long_one() -> None:
    assert planned([52, 4, 4, 50], BatchLimits(8, overhead=8)) == (0, 3)


def test_company_is_awaited_for_as_long_as_patience_lasts() -> None:
    limits = BatchLimits(4, patience=0.5)
    queue = [Waiting(1, 10.0), Waiting(1, 10.2)]
    assert plan_batch(queue, 10.4, limits) == WaitUntil(10.5)
    assert plan_batch(queue, 10.5, limits) == Batch((0, 1))


def test_a_full_batch_does_not_wait() -> None:
    queue = [Waiting(1, 10.0)] * 4
    assert plan_batch(queue, 10.0, BatchLimits(4, patience=0.5)) == Batch((0, 1, 2, 3))

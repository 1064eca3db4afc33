"""Whose turn it is: never who failed the request before, never a later group without need."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from immich_aio.services.gateway.choice import choose
from immich_aio.services.gateway.health import Lane, Slots


def lane(name: str, taken: int = 0, weight: float = 1.0) -> Lane:
    return Lane(name, "ocr", Slots(1000, taken), weight=weight)


def test_nobody_is_chosen_where_nobody_can() -> None:
    full = Lane("full", "ocr", Slots(1, 1))
    assert choose(((full,),), {}, 0) is None
    assert choose((), {}, 0) is None


def test_the_earlier_group_goes_first_however_much_it_has_to_do() -> None:
    first, second = lane("first", 99), lane("second")
    assert choose(((first,), (second,)), {}, 0) is first


def test_a_later_group_is_for_when_the_earlier_cannot() -> None:
    first, second = lane("first"), lane("second")
    first.reach.lost("gone")
    assert choose(((first,), (second,)), {}, 0) is second


def test_who_failed_the_request_comes_after_all_others() -> None:
    first, equal, second = lane("first"), lane("equal", 50), lane("second")
    groups = ((first, equal), (second,))
    assert choose(groups, {first: 1}, 0) is equal
    assert choose(groups, {first: 1, equal: 1}, 0) is second
    assert choose(groups, {first: 1, equal: 1, second: 1}, 0) is first


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=5))
def test_work_is_shared_in_the_proportion_of_weights(weights: list[float]) -> None:
    lanes = [lane(str(number), weight=weight) for number, weight in enumerate(weights)]
    given_to: Counter[Lane] = Counter()
    for turn in range(300):
        chosen = choose((lanes,), {}, 0)
        assert chosen is not None
        chosen.slots.taken += 1
        chosen.last_used = turn
        given_to[chosen] += 1
    for one in lanes:
        share = 300 * one.weight / sum(weights)
        assert abs(given_to[one] - share) <= len(lanes)


def test_idle_equals_take_turns() -> None:
    lanes = [lane(str(number)) for number in range(3)]
    for turn, one in enumerate(lanes):
        one.last_used = turn
    turns = []
    for turn in range(3, 9):
        chosen = choose((lanes,), {}, 0)
        assert chosen is not None
        chosen.last_used = turn
        turns.append(chosen.backend)
    assert turns == ["0", "1", "2", "0", "1", "2"]

"""A breaker keeps work away from what fails; one request finds out whether it still does."""

from __future__ import annotations

from immich_aio.services.gateway.health import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    Breaker,
    Lane,
    Reach,
    Slots,
)


def lane(limit: int = 2) -> Lane:
    return Lane("nas", "ocr", Slots(limit))


def test_a_breaker_is_closed_until_something_fails() -> None:
    breaker = Breaker()
    assert (breaker.state(0), breaker.allows(0), breaker.changes_at(0)) == ("closed", True, None)


def test_a_failure_opens_it_for_a_while_and_says_why() -> None:
    breaker = Breaker()
    breaker.failed(10, "out of memory")
    assert (breaker.state(10), breaker.allows(10)) == ("open", False)
    assert breaker.changes_at(10) == 10 + FIRST_PAUSE
    assert breaker.reason == "out of memory"


def test_after_the_pause_one_request_may_try_and_no_second_one() -> None:
    breaker = Breaker()
    breaker.failed(0, "no")
    assert breaker.state(FIRST_PAUSE) == "half-open"
    assert breaker.allows(FIRST_PAUSE)
    breaker.begin(FIRST_PAUSE)
    assert not breaker.allows(FIRST_PAUSE)


def test_its_success_closes_the_breaker_and_its_failure_doubles_the_pause_up_to_a_limit() -> None:
    breaker, now, pauses = Breaker(), 0.0, []
    for _ in range(8):
        breaker.begin(now)
        breaker.failed(now, "no")
        again = breaker.changes_at(now)
        assert again is not None
        pauses.append(again - now)
        now = again
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    breaker.begin(now)
    breaker.succeeded()
    assert (breaker.state(now), breaker.reason) == ("closed", "")
    breaker.failed(now, "no")
    assert breaker.changes_at(now) == now + FIRST_PAUSE


def test_requests_that_had_begun_before_make_the_pause_no_longer() -> None:
    breaker = Breaker()
    for _ in range(16):
        breaker.failed(0, "no")
    assert breaker.changes_at(0) == FIRST_PAUSE


def test_whoever_goes_without_a_word_lets_the_next_one_try() -> None:
    breaker = Breaker()
    breaker.failed(0, "no")
    breaker.begin(FIRST_PAUSE)
    breaker.let_go()
    assert breaker.allows(FIRST_PAUSE)


def test_a_loss_is_news_once_and_so_is_the_return() -> None:
    reach = Reach()
    assert [reach.lost("gone"), reach.lost("gone")] == [True, False]
    assert not reach.reachable
    assert [reach.found(), reach.found("wrong key")] == [True, False]
    assert reach.reachable
    assert (reach.losses, reach.complaint) == (1, "wrong key")


def test_a_lane_takes_as_many_as_it_has_places() -> None:
    one = lane(limit=1)
    assert one.allows(0)
    one.slots.taken = 1
    assert not one.allows(0)


def test_a_lane_that_is_suspect_lost_or_busy_takes_nothing() -> None:
    one = lane()
    one.suspect = True
    assert not one.allows(0)
    one.suspect = False
    one.reach.lost("gone")
    assert not one.allows(0)
    assert one.ails(0) == "gone"
    one.reach.found()
    one.busy_until = 5
    assert not one.allows(4.9)
    assert one.changes_at(4) == 5
    assert one.allows(5)


def test_a_lane_changes_by_time_alone_when_the_last_of_its_pauses_is_over() -> None:
    one = lane()
    one.breaker.failed(0, "no")
    one.busy_until = 7
    assert one.changes_at(0) == 7
    assert one.ails(0) == "no"


def test_what_an_answer_takes_is_about_what_the_last_ones_took() -> None:
    one = lane()
    one.note(1)
    assert one.seconds == 1
    for _ in range(100):
        one.note(2)
    assert 1.9 < one.seconds <= 2
    assert one.answered == 101


def test_a_lane_of_twice_the_weight_bears_twice_the_work() -> None:
    light, heavy = lane(8), Lane("gpu", "ocr", Slots(8), weight=2)
    light.slots.taken, heavy.slots.taken = 1, 3
    assert light.load == heavy.load

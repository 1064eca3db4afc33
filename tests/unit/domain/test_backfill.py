"""How many jobs may wait, and how long a back-fill takes, by a clock of the test's own."""

from __future__ import annotations

import pytest

from immich_aio.domain.backfill import (
    AHEAD_SECONDS,
    FEWEST,
    MOST,
    BackfillProgress,
    Pace,
    Speed,
    shown_time,
)


def test_a_few_jobs_wait_before_it_is_known_how_fast_they_are_done() -> None:
    assert Pace(0).room(unfinished=0, speed=0, now=0) == FEWEST


def test_the_faster_jobs_are_done_the_more_of_them_wait() -> None:
    pace = Pace(0)
    assert pace.room(unfinished=0, speed=100, now=1) == 100 * AHEAD_SECONDS
    assert pace.room(unfinished=0, speed=1e9, now=1) == MOST


def test_jobs_that_anybody_queued_take_the_room() -> None:
    pace = Pace(0)
    assert pace.room(unfinished=FEWEST - 3, speed=1, now=1) == 3
    assert pace.room(unfinished=100_000, speed=1, now=1) == 0


@pytest.mark.parametrize("per_minute", [0.5, 6, 90, 6000])
def test_a_rate_is_kept_over_any_time(per_minute: float) -> None:
    pace, queued = Pace(0, per_minute), 0
    for second in range(3600):
        room = pace.room(unfinished=0, speed=1000, now=float(second))
        pace.queued(room)
        queued += room
        allowed = per_minute * second / 60 + 1 + per_minute / 60 * AHEAD_SECONDS
        assert queued <= allowed
    assert queued == pytest.approx(per_minute * 60, rel=0.01, abs=2)


def test_the_speed_is_that_of_late() -> None:
    speed = Speed(0)
    for second in range(1, 1001):
        speed.add(second, 1)
    for second in range(1001, 1011):
        speed.add(second, 11)
    assert speed.over(10) == pytest.approx(11)
    assert speed.over(100) == pytest.approx(2)
    assert Speed(5).over(10) == 0


def test_it_is_told_how_long_the_rest_takes_once_that_can_be_told() -> None:
    assert BackfillProgress(1000, 100, 20, speed=2).seconds_left == 440
    assert BackfillProgress(1000, 0, 0).seconds_left is None
    assert BackfillProgress(10, 12, 0, speed=1).seconds_left == 0


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.2, "1 s"),
        (59, "59 s"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (1500, "25 min"),
        (3599.9, "60 min"),
        (7260, "2 h 1 min"),
        (45_000, "12 h"),
        (90_000, "1 day 1 h"),
        (1_000_000, "11 days"),
    ],
)
def test_times_are_told_as_people_say_them(seconds: float, told: str) -> None:
    assert shown_time(seconds) == told

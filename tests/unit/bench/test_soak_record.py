import math

import pytest

from bench.soak import Outcome
from bench.soak_events import Plan
from bench.soak_parts import OTHER, ROLES, STEADY
from bench.soak_record import Record, Sample

HOUR = 3600.0


def sample(at: float, *, away: str = "", **of: float) -> Sample:
    """Every role has 100 MB but what is named with an underscore, as in ``AI_1``."""
    memory = {role: of.get(role.replace(" ", "_"), 100.0) for role in ROLES if role != away}
    return Sample(at, memory, dict.fromkeys(memory, 10))


def hour(*samples: Sample) -> Record:
    record = Record(HOUR)
    record.samples.extend(samples)
    return record


def test_moments_at_which_a_server_is_away_do_not_count_for_all_together() -> None:
    record = hour(sample(1000, away=OTHER), sample(1010), sample(1020, AI_1=300), sample(1030))
    assert record.memory(1) == 500
    assert record.memory(1, STEADY) == 100
    assert record.memory(1, OTHER) == 100


def test_the_change_is_from_the_second_quarter_to_the_last_whatever_the_others_had() -> None:
    record = hour(
        sample(10, AI_1=900), sample(1000), sample(2000, AI_1=900), sample(3000, AI_1=150)
    )
    assert record.change == pytest.approx(0.1)
    assert Outcome(record, comparable=True).faults == [
        "memory: +10.0% from the second quarter to the last"
    ]
    assert Outcome(record, comparable=False).faults == []


def test_memory_that_is_given_back_is_told_like_memory_that_grows() -> None:
    record = hour(sample(1000, AI_1=200), sample(3000))
    assert "-16.7%" in Outcome(record, comparable=True).faults[0]


def test_what_comes_after_the_end_belongs_to_the_last_quarter() -> None:
    record = hour(sample(HOUR + 60, AI_1=600))
    assert record.memory(3) == 1000
    assert math.isnan(record.memory(2))


def test_every_fault_is_named() -> None:
    record = hour(sample(1000), sample(3000))
    record.lose("ocr", "503")
    record.err("search", "another photo")
    record.errors["gateway 0"] = 2
    outcome = Outcome(record, comparable=True, complaints=["AI 1: Traceback …"], left_behind="{}")
    assert outcome.faults == [
        "lost: 1",
        "wrong: 1",
        "5xx of our own: 2",
        "left behind in the gateway: {}",
        "a traceback in the log of AI 1",
    ]


@pytest.mark.parametrize(("minutes", "rounds"), [(120, 16), (60, 8), (30, 4), (29, 1), (0.3, 1)])
def test_every_quarter_has_as_many_rounds_or_there_is_one_in_all(
    minutes: float, rounds: int
) -> None:
    plan = Plan.of(minutes * 60)
    assert (plan.rounds, plan.comparable) == (rounds, rounds >= 4)
    assert plan.rounds * plan.seconds == pytest.approx(minutes * 60)

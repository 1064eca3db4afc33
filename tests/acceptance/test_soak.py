"""The soak in its short form: every kind of load and every event, with real processes."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from bench.soak import Outcome, soaked
from bench.soak_load import PAUSES
from bench.soak_parts import ROLES, SHORT
from bench.soak_people import PAUSES as PEOPLE
from bench.soak_plot import write_plot

SECONDS = 16
SEED = 7
EVENTS = [
    "AI 2 killed",
    "AI 2 hangs",
    "AI 2 replaced",
    "index rebuilt",
    "rest, models unloaded",
]


async def test_nothing_is_lost_while_parts_fail_under_mixed_load(
    open_folder: Path, tmp_path: Path
) -> None:
    folder = open_folder / "soak"
    folder.mkdir()
    outcome = await soaked(folder, SECONDS, SHORT, SEED)
    assert outcome.faults == []
    assert_everything_happened(outcome)
    plot = tmp_path / "soak.svg"
    write_plot(outcome.record, plot)
    drawn = {text.text for text in ET.parse(plot).iter("{http://www.w3.org/2000/svg}text")}  # noqa: S314  # our own
    assert {*ROLES, *outcome.record.jobs} <= drawn


def assert_everything_happened(outcome: Outcome) -> None:
    record, figures = outcome.record, outcome.figures()
    assert [what for _, what in record.events] == EVENTS
    assert record.unloads == 2
    assert record.hung_up > 0
    kinds = {*PAUSES, *PEOPLE} - {"hang-up"}
    assert {one.kind for one in record.answers} == kinds == record.jobs.keys()
    assert sum(record.jobs.values()) == len(record.answers)
    assert {role for sample in record.samples for role in sample.memory} == set(ROLES)
    assert (figures["lost"], figures["wrong"], figures["own_5xx"]) == (0, 0, 0)
    assert figures["jobs"] == len(record.answers)
    assert outcome.searches["ours"] > 0

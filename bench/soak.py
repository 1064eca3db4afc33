"""Soak: an hour (or any time) of mixed load while parts fail, and what became of it.

    ./aio bench soak [--minutes N] [--seed N] [--plot FILE] [--small] [--json]

Gateway, two AI services, the companion and a sandbox, all real processes. Immich's requests come
to the gateway (OCR, CLIP, faces, all in one, text queries, broken files, callers who hang up),
people's to the companion (searches, thumbnails, uploads that are found, corrected, read again and
deleted). Meanwhile one AI service is killed, hangs and is replaced, the text index is rebuilt, and
now and then nobody asks until the models are unloaded. The load is a few requests a second, paced,
so that the machine is not full: a fault must show as a fault and not as a queue.

Lost is what got no answer within fifteen minutes, or one that is none; wrong is another answer than
the known one. Memory is the sum of resident memory over our five processes, every few seconds, the
median of a quarter; only moments count at which all are up. The verdict compares the last quarter
with the second, for the first also warms up. The database and Redis of the sandbox are not ours.
It fails where a job is lost or wrong, a 5xx is of our own making (see ``soak_watch.py``), something
stays behind in the gateway, or memory differs by more than 5 %; memory counts only where each
quarter has the same events, which needs half an hour.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.soak_events import Events, Plan
from bench.soak_load import Load, Pace
from bench.soak_parts import LONG, ROLES, SHORT, Scale
from bench.soak_people import People
from bench.soak_plot import write_plot
from bench.soak_record import QUARTERS, TOLD, Record, percentile
from bench.soak_stand import Stand, standing
from bench.soak_watch import Watch
from immich_aio.engines.cores import cpu_name, usable_cores

MOST_CHANGE = 0.05
"""By how much memory may differ, as a fraction."""


@dataclass
class Outcome:
    """The record, and what else is known at the end."""

    record: Record
    comparable: bool
    searches: dict[str, int] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    left_behind: str = ""

    @property
    def faults(self) -> list[str]:
        """In what the aim was missed."""
        record = self.record
        found = [f"lost: {len(record.lost)}"] if record.lost else []
        found += [f"wrong: {len(record.wrong)}"] if record.wrong else []
        found += [f"5xx of our own: {record.own_errors}"] if record.own_errors else []
        found += [f"left behind in the gateway: {self.left_behind}"] if self.left_behind else []
        found += [f"a traceback in the log of {one.partition(':')[0]}" for one in self.complaints]
        if self.comparable and abs(record.change) > MOST_CHANGE:
            found.append(f"memory: {record.change:+.1%} from the second quarter to the last")
        return found

    def figures(self) -> dict[str, object]:
        """For ``--json``."""
        record = self.record
        return {
            "minutes": round(record.now / 60, 2),
            "jobs": sum(record.jobs.values()),
            "lost": len(record.lost),
            "wrong": len(record.wrong),
            "own_5xx": record.own_errors,
            "hung_up": record.hung_up,
            "unloads": record.unloads,
            "events": len(record.events),
            "searches": self.searches,
            "rss_q2_mb": _rounded(record.memory(1), 1),
            "rss_q4_mb": _rounded(record.memory(3), 1),
            "rss_change": _rounded(record.change, 4),
            "p95_ms": {
                kind: round(percentile(record.latencies(kind), 0.95)) for kind in record.jobs
            },
            "faults": self.faults,
        }


def _rounded(value: float, digits: int) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else round(value, digits)


def main(arguments: Sequence[str]) -> None:
    """Run, print, draw; with ``--json`` the last line is one JSON object."""
    parser = argparse.ArgumentParser(prog="bench soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="how long; 60")
    parser.add_argument("--seed", type=int, default=1, help="of what is asked when; 1")
    parser.add_argument("--plot", type=Path, default=Path("soak.svg"), help="where to draw it")
    parser.add_argument("--small", action="store_true", help="small models and short pauses")
    parser.add_argument("--json", action="store_true", help="end in one line of JSON")
    options = parser.parse_args(arguments)
    print(f"{cpu_name()}, {usable_cores()} cores", flush=True)
    scale = SHORT if options.small else LONG
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        try:
            outcome = asyncio.run(soaked(Path(folder), options.minutes * 60, scale, options.seed))
        except asyncio.CancelledError:  # SIGTERM has come
            raise SystemExit(143) from None
    _show(outcome)
    write_plot(outcome.record, options.plot)
    print(f"plot: {options.plot.absolute()}")
    print("missed: " + "; ".join(outcome.faults) if outcome.faults else "nothing was missed")
    if options.json:
        print(json.dumps(outcome.figures()))
    if outcome.faults:
        raise SystemExit(1)


async def soaked(folder: Path, seconds: float, scale: Scale, seed: int) -> Outcome:
    """Run it all in an empty folder."""
    _end_when_told()
    async with standing(folder, scale) as stand:
        return await _run(stand, seconds, seed)


def _end_when_told() -> None:
    """Have SIGTERM stop all servers before this ends; that it comes again does not stop that."""
    task = asyncio.current_task()
    assert task is not None  # whatever is async runs in one

    def end() -> None:
        if not task.cancelling():
            task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)


async def _run(stand: Stand, seconds: float, seed: int) -> Outcome:
    record, pace, plan = Record(seconds), Pace(stand.scale.pace), Plan.of(seconds)
    load, people, watch = (
        Load(stand, record, seed),
        People(stand, record, seed),
        Watch(stand, record),
    )
    await load.learn()
    await people.learn()
    record.start()
    pace.going.set()
    watching = asyncio.create_task(watch.run())
    callers = load.callers(pace) + people.callers(pace)
    try:
        await Events(stand, record, pace, watch).run(plan)
        await asyncio.sleep(seconds - record.now)
        pace.over = True
        await asyncio.gather(*callers)
    finally:
        for task in (watching, *callers):
            task.cancel()
    await watch.look()
    for told in watch.immichs_losses():
        record.lose("Immich", told)
    left = await watch.left_behind()
    return Outcome(record, plan.comparable, watch.searches, watch.complaints(), left)


def _show(outcome: Outcome) -> None:
    record = outcome.record
    for name, told in (("lost", record.lost), ("wrong", record.wrong)):
        for at, what in told[:TOLD]:
            print(f"{name} at {at / 60:.2f} min: {what}")
    for complaint in outcome.complaints:
        print(complaint)
    table = Table(title="by quarter")
    for name in ("", *(f"{number + 1}" for number in range(QUARTERS))):
        table.add_column(name, justify="right" if name else "left")
    for role in (*ROLES, None):
        values = [record.memory(quarter, role) for quarter in range(QUARTERS)]
        table.add_row(f"{role or 'all'}, MB", *(f"{value:.0f}" for value in values))
    for role in ROLES:
        files = [record.files(quarter, role) for quarter in range(QUARTERS)]
        table.add_row(f"{role}, open files", *(f"{value:.0f}" for value in files))
    for kind in record.jobs:
        times = [record.latencies(kind, quarter) for quarter in range(QUARTERS)]
        shown = (f"{percentile(one, 0.5):.0f} / {percentile(one, 0.95):.0f}" for one in times)
        table.add_row(f"{kind} ({record.jobs[kind]}), ms p50 / p95", *shown)
    Console(width=110).print(table)
    print(f"searches by who answered: {outcome.searches}; callers who hung up: {record.hung_up}")
    print(f"5xx of our own: {record.own_errors}; models unloaded: {record.unloads} times")

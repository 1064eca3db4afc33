"""What the ``models`` commands show: progress, sizes, verdicts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars

from immich_aio.engines.model_files.hashes import Step
from immich_aio.engines.model_files.progress import Milestones, Progress, Report
from immich_aio.engines.model_files.sources import shown
from immich_aio.engines.model_files.verification import Verdict


def write(*lines: str) -> None:
    """Lines on standard output, at once."""
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def megabytes(count: int) -> str:
    """A size for people."""
    return f"{count / 1e6:,.0f} MB"


def sentence(verdict: Verdict, model: str) -> str:
    """What came of hashing a file of a model."""
    if not verdict.is_good:
        published = verdict.according_to == "catalogue"
        should = "is published" if published else "was noted when it came"
        return (
            f"{verdict.name}: DAMAGED or another file. SHA-256 {verdict.sha256}, where "
            f"{verdict.expected} {should}. Run 'immich-aio models rm {model}' and get it again."
        )
    reasons = {
        "catalogue": "as published",
        "record": "as noted when it came",
        "nothing": "noted now, for there was nothing to compare with",
    }
    return f"{verdict.name}: good, {reasons[verdict.according_to]} (SHA-256 {verdict.sha256})"


@contextmanager
def reporting(name: str) -> Iterator[Report]:
    """Show a download: a bar on a terminal, else a line every ten per cent."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    said: set[str] = set()
    milestones = Milestones()

    def say_from_where(progress: Progress) -> None:
        what = "another process fetches it; waiting"
        if progress.url is not None:
            rest = "the rest of " if progress.received else ""
            what = f"fetching {rest}{shown(progress.url)}"
        if what not in said:
            said.add(what)
            console.print(f"{name}: {what}", markup=False)

    def say(progress: Progress) -> None:
        say_from_where(progress)
        if milestones.passed(progress):
            console.print(f"{name}: {progress}", markup=False)

    if not console.is_terminal:
        yield say
        return
    columns = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with _bars(console, *columns) as bars:
        task = bars.add_task(name)

        def draw(progress: Progress) -> None:
            say_from_where(progress)
            bars.update(task, completed=progress.received, total=progress.total)

        yield draw


@contextmanager
def stepping(what: str, *files: Path, times: int = 1) -> Iterator[Step]:
    """Show how much of some files has been read, on a terminal."""
    console = Console(stderr=True)
    total = sum(file.stat().st_size for file in files if file.is_file()) * times
    with _bars(console, TaskProgressColumn(), TimeRemainingColumn()) as bars:
        task = bars.add_task(what, total=total or None)
        yield lambda count: bars.advance(task, count)


def _bars(console: Console, *columns: ProgressColumn) -> Bars:
    return Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )

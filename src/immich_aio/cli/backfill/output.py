"""What ``immich-aio backfill`` says."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from immich_aio.cli.backfill.feeder import Report
from immich_aio.domain.backfill import BackfillProgress, shown_time
from immich_aio.domain.refresh import Hindrance

LINE_SECONDS = 60.0
"""Between two lines where there is no terminal with a bar."""
NAMED = 10
"""So many photos are named; the rest is counted."""
_FIGURES = re.compile(r"\d")
_LEFT_OUT = {
    Hindrance.HIDDEN: "video halves of live photos, as Immich does.",
    Hindrance.NO_PREVIEW: "without a preview. Run Jobs → Generate Thumbnails → Missing in Immich, "
    "then this again.",
    Hindrance.EDITED: "edited ones, of which Immich makes no new vector. Undo the edits first.",
}


@contextmanager
def reporting() -> Iterator[Report]:
    """A bar on a terminal; elsewhere a line now and then, and whenever it begins to wait."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines()
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda progress, waits: bar.update(
            task,
            completed=progress.done + progress.failed,
            total=progress.total,
            description=shown(progress, waits, with_count=False),
        )


class Lines:
    """Writes a line when the last is old, or something else hinders."""

    def __init__(self) -> None:
        self._at = float("-inf")
        self._waits = ""

    def __call__(self, progress: BackfillProgress, waits: str) -> None:
        """See ``Report``."""
        now, kind = monotonic(), _FIGURES.sub("", waits)
        if now - self._at >= LINE_SECONDS or kind != self._waits:
            self._at, self._waits = now, kind
            tell(shown(progress, waits))


def shown(progress: BackfillProgress, waits: str, *, with_count: bool = True) -> str:
    """How far it is, in one line."""
    parts = [f"{progress.done + progress.failed:,} of {progress.total:,}"] if with_count else []
    if progress.speed:
        parts.append(f"{progress.speed:.3g} a second")
    if (left := progress.seconds_left) is not None:
        parts.append(f"about {shown_time(left)} left" if left else "nearly done")
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    return ", ".join([*parts, waits] if waits else parts)


def hindered(counts: Mapping[Hindrance, int]) -> list[str]:
    """How many photos are left out, and why."""
    return [f"Left out: {count:,} {_LEFT_OUT[why]}" for why, count in counts.items()]


def named(photos: Sequence[str]) -> str:
    """The names of the first few, and how many more there are."""
    more = f", and {len(photos) - NAMED:,} more" if len(photos) > NAMED else ""
    return ", ".join(photos[:NAMED]) + more


def write(*lines: str) -> None:
    """What was asked for."""
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def tell(line: str) -> None:
    """What happens meanwhile."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()

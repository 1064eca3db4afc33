"""``immich-aio backfill``: Immich's own jobs for many photos, queued with care."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from enum import Enum
from types import ModuleType
from typing import Annotated, Any

import typer

from immich_aio.cli.backfill.wish import Wish
from immich_aio.cli.search_filters import with_filters
from immich_aio.domain.refresh import Refresh
from immich_aio.errors import UnavailableError

app = typer.Typer(
    help="Have many photos read (ocr) or encoded (clip) by Immich's own jobs, at a rate that keeps "
    "machines busy and searches fast. Ctrl-C stops it; nothing is lost.",
    no_args_is_help=True,
)


class Task(Enum):
    """What can be back-filled."""

    OCR = "ocr"
    CLIP = "clip"

    @property
    def refresh(self) -> Refresh:
        """The same for one photo."""
        return Refresh.OCR if self is Task.OCR else Refresh.SMART_SEARCH


All = Annotated[
    bool,
    typer.Option("--all/--missing", help="Every photo anew, or those that were never done."),
]
Whose = Annotated[
    str | None, typer.Option(metavar="EMAIL", help="That user's photos; without it everybody's.")
]
Rate = Annotated[
    float | None,
    typer.Option(metavar="N", min=0.01, help="At most N photos a minute; else as fast as it goes."),
]
Count = Annotated[
    bool, typer.Option("--count", help="Only say how many photos it would be, and do nothing.")
]
Chosen = Annotated[Task, typer.Argument(help="Which of them.", show_default=False)]


@app.command()
@with_filters
def ocr(
    *,
    everything: All = False,
    user: Whose = None,
    rate: Rate = None,
    count: Count = False,
    **filters: Any,  # noqa: ANN401  # what typer gives, by Immich's names
) -> None:
    """Have the texts of photos read; the old ones serve until a new one is there."""
    _begin(Task.OCR, everything=everything, user=user, rate=rate, count=count, filters=filters)


@app.command()
@with_filters
def clip(
    *,
    everything: All = False,
    user: Whose = None,
    rate: Rate = None,
    count: Count = False,
    **filters: Any,  # noqa: ANN401  # as above
) -> None:
    """Have the vectors of photos made, for smart search."""
    _begin(Task.CLIP, everything=everything, user=user, rate=rate, count=count, filters=filters)


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show how far back-fills are, and which photos failed."""
    _run(lambda runs: runs.status(as_json=as_json))


@app.command()
def pause(task: Chosen) -> None:
    """Let the process that is at it wait, whichever terminal it runs in."""
    _run(lambda runs: runs.pause(task))


@app.command()
def resume(task: Chosen, rate: Rate = None) -> None:
    """Go on: with one that is paused, or was stopped, or crashed."""
    _run(lambda runs: runs.resume(task, rate))


@app.command()
def cancel(task: Chosen) -> None:
    """Forget it. The few jobs that are queued are done all the same."""
    _run(lambda runs: runs.cancel(task))


def _begin(
    task: Task,
    *,
    everything: bool,
    user: str | None,
    rate: float | None,
    count: bool,
    filters: dict[str, Any],
) -> None:
    wish = Wish.typed(everything=everything, user=user, filters=filters)
    if count:
        _run(lambda runs: runs.count(task, wish))
    else:
        _run(lambda runs: runs.begin(task, wish, rate))


def _run(command: Callable[[ModuleType], Coroutine[Any, Any, None]]) -> None:
    # Imported here, for the tool must start where the parts of the companion are not installed.
    try:
        from immich_aio.cli.backfill import commands  # noqa: PLC0415
    except ImportError as error:
        raise UnavailableError(
            f"Back-fills cannot run here ({error}): pip install 'immich-aio[companion]'."
        ) from None
    asyncio.run(command(commands))

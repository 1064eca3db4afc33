"""``immich-aio models``: the model files on this machine, and how they get here and go."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
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
from rich.table import Table

from immich_aio.cli.compose import model_folder
from immich_aio.domain.clip_models import STAND_INS
from immich_aio.engines.clip.checkpoint import open_checkpoint
from immich_aio.engines.clip.converted import conversions, damaged_files
from immich_aio.engines.clip.state_dict import architecture_of
from immich_aio.engines.model_files.download import fetch
from immich_aio.engines.model_files.folder import ModelFolder, ModelState
from immich_aio.engines.model_files.hashes import Step
from immich_aio.engines.model_files.importing import import_file
from immich_aio.engines.model_files.progress import Milestones, Progress, Report
from immich_aio.engines.model_files.sources import addresses, shown
from immich_aio.engines.model_files.verification import Verdict
from immich_aio.engines.model_files.verification import verify as verify_model
from immich_aio.errors import BadInputError
from immich_aio.settings import Settings

app = typer.Typer(
    help="Fetch, import, check and remove the models of smart search.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="A model's name, such as ViT-B-16.")]


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON a model.")] = False,
) -> None:
    """Show which models there are, and what is here of each."""
    settings = Settings.load()
    folder = model_folder(settings)
    states = folder.states()
    chosen = None if settings.clip_model is None else folder.state(settings.clip_model)
    if chosen is not None and chosen not in states:
        states.append(chosen)
    if as_json:
        _write(*(json.dumps(_record(state, state == chosen)) for state in states))
    else:
        _show(folder, states, chosen)


@app.command()
def pull(name: Name) -> None:
    """Fetch a model from the first of MODEL_SOURCES that has it; goes on where it was cut off."""
    settings = Settings.load()
    folder = model_folder(settings)
    model, state = folder.official(name), folder.state(name)
    if model is None:
        known = ", ".join(each.name for each in folder.known)
        raise BadInputError(
            f"'{name}' is none of the models that can be fetched: {known}. Import any other with "
            f"'immich-aio models import FILE --as {name}'."
        )
    if state.is_other_file:
        raise BadInputError(
            f"{state.path} has {state.size:,} bytes and is not the official file of {model.name} "
            f"({model.checkpoint.size:,} bytes). Run 'immich-aio models rm {model.name}' first."
        )
    if state.size is None:
        urls = addresses(model.checkpoint, settings.sources)
        with _reporting(model.name) as report:
            asyncio.run(fetch(model.checkpoint, urls, state.path, report))
    _is_here(folder, model.name)


@app.command("import")
def import_model(
    file: Annotated[Path, typer.Argument(help="A checkpoint on this machine.")],
    name: Annotated[
        str | None, typer.Option("--as", help="The model's name; by default told from the file.")
    ] = None,
    link: Annotated[
        bool,
        typer.Option(
            "--link", help="Hard-link instead of copying: no extra space, but on one disk only."
        ),
    ] = False,
) -> None:
    """Take a checkpoint into the folder: an official one, or one of your own under its own name."""
    folder = model_folder(Settings.load())
    if file.is_file():
        architecture_of(open_checkpoint(file).shapes)  # else it is not taken in
    # It is read once to know it, and once more to copy it.
    with _stepping(f"importing {file.name}", file, times=1 if link else 2) as step:
        imported = import_file(folder, file, name, link=link, step=step)
    _is_here(folder, imported.name)


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="By default every model that is here.")] = None,
) -> None:
    """Hash files anew and compare with what was published, or noted when the file came."""
    folder = model_folder(Settings.load())
    states = [folder.state(name)] if name is not None else folder.states()
    good = True
    for state in states:
        if state.size is not None or name is not None:
            with _stepping(f"hashing {state.name}", state.path) as step:
                verdict = verify_model(folder, state.name, step)
            _write(_sentence(verdict))
            good &= verdict.is_good
        good &= _conversions_are_good(state)
    if not good:
        raise typer.Exit(1)


@app.command()
def rm(name: Name) -> None:
    """Remove a model, what has come of it, and everything that was made from it."""
    folder = model_folder(Settings.load())
    freed = folder.remove(name)
    _write(f"{folder.name_of(name)} is removed; {_megabytes(freed)} are free again.")


def dimension_of(state: ModelState) -> int | None:
    """The length of a model's vectors; None for one of your own that was not converted yet."""
    made = conversions(state.path)
    official = None if state.official is None else state.official.dimension
    return made[0].dimension if made else official


def _is_here(folder: ModelFolder, name: str) -> None:
    """What follows once a checkpoint has come: it is converted, where that can be done."""
    checkpoint = folder.places(name).file
    _write(f"{name} is at {checkpoint}.")
    try:
        from immich_aio.engines.clip.conversion import converted  # noqa: PLC0415
    except ImportError:
        _write("It is converted where it is used, for no inference library is installed here.")
        return
    model = converted(checkpoint, "f32")
    fitting = " or ".join(STAND_INS.get(model.dimension, ())) or "no model that Immich lists"
    _write(
        f"It is ready: vectors of {model.dimension} numbers. Set CLIP_MODEL={name}, and choose "
        f"{fitting} as the CLIP model in Immich."
    )


def _conversions_are_good(state: ModelState) -> bool:
    """Hash what was made of a checkpoint, and say what is damaged."""
    damaged = [
        model.folder / name for model in conversions(state.path) for name in damaged_files(model)
    ]
    for path in damaged:
        _write(f"{state.name}: {path} is DAMAGED. Remove {path.parent}, and it is made anew.")
    return not damaged


@contextmanager
def _reporting(name: str) -> Iterator[Report]:
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
def _stepping(what: str, file: Path, times: int = 1) -> Iterator[Step]:
    """Show how much of a file has been read, on a terminal."""
    console = Console(stderr=True)
    total = file.stat().st_size * times if file.is_file() else None
    with _bars(console, TaskProgressColumn(), TimeRemainingColumn()) as bars:
        task = bars.add_task(what, total=total)
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


def _show(folder: ModelFolder, states: list[ModelState], chosen: ModelState | None) -> None:
    table = Table("model", "dimension", "size", "state", "", box=None, header_style="bold")
    for state in states:
        official = state.official
        size = state.size or (official.checkpoint.size if official else None)
        table.add_row(
            state.name,
            str(dimension_of(state) or "–"),
            _megabytes(size) if size else "–",
            _status(state),
            "CLIP_MODEL" if state == chosen else "",
        )
    console = Console(highlight=False)
    console.print(f"Models in {folder.root}:", markup=False, soft_wrap=True)
    console.print(table)


def _status(state: ModelState) -> str:
    if state.is_other_file:
        return "present, not the official file"
    if conversions(state.path):
        return "ready" if state.size else "ready, checkpoint removed"
    if state.partial is None:
        return state.status
    total = state.official.checkpoint.size if state.official else None
    return f"partial: {Progress(state.partial, total, None)}"


def _record(state: ModelState, is_chosen: bool) -> dict[str, object]:
    official = state.official
    return {
        "name": state.name,
        "path": str(state.path),
        "dimension": dimension_of(state),
        "official_bytes": official.checkpoint.size if official else None,
        "status": state.status,
        "bytes": state.size,
        "partial_bytes": state.partial,
        "sha256": state.sha256,
        "converted": [model.folder.name for model in conversions(state.path)],
        "configured": is_chosen,
    }


def _sentence(verdict: Verdict) -> str:
    if not verdict.is_good:
        published = verdict.according_to == "catalogue"
        should = "is published" if published else "was noted when it came"
        return (
            f"{verdict.name}: DAMAGED or another file. SHA-256 {verdict.sha256}, where "
            f"{verdict.expected} {should}. Run 'immich-aio models rm {verdict.name}' and get it "
            "again."
        )
    reasons = {
        "catalogue": "as published",
        "record": "as noted when it came",
        "nothing": "noted now, for there was nothing to compare with",
    }
    return f"{verdict.name}: good, {reasons[verdict.according_to]} (SHA-256 {verdict.sha256})"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"


def _write(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()

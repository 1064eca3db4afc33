"""The ``models`` commands for the checkpoints of smart search."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from immich_aio.cli.compose import model_folder
from immich_aio.cli.models.output import megabytes, reporting, sentence, stepping, write
from immich_aio.domain.clip_models import STAND_INS
from immich_aio.engines.clip.checkpoint import open_checkpoint
from immich_aio.engines.clip.converted import conversions, damaged_files
from immich_aio.engines.clip.state_dict import architecture_of
from immich_aio.engines.model_files.download import fetch
from immich_aio.engines.model_files.folder import ModelFolder, ModelState
from immich_aio.engines.model_files.importing import import_file
from immich_aio.engines.model_files.progress import Progress
from immich_aio.engines.model_files.sources import addresses
from immich_aio.engines.model_files.verification import verify as verify_model
from immich_aio.errors import BadInputError
from immich_aio.settings import Settings


def show(settings: Settings, *, as_json: bool) -> None:
    """Which checkpoints there are, and what is here of each."""
    folder = model_folder(settings)
    states = folder.states()
    chosen = None if settings.clip_model is None else folder.state(settings.clip_model)
    if chosen is not None and chosen not in states:
        states.append(chosen)
    if as_json:
        write(*(json.dumps(_record(state, state == chosen)) for state in states))
    else:
        _show(folder, states, chosen)


def pull(settings: Settings, name: str) -> None:
    """Fetch a checkpoint and convert it."""
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
        with reporting(model.name) as report:
            asyncio.run(fetch(model.checkpoint, urls, state.path, report))
    _is_here(folder, model.name)


def take_in(settings: Settings, file: Path, name: str | None, *, link: bool) -> None:
    """Import a checkpoint and convert it."""
    folder = model_folder(settings)
    if file.is_file():
        architecture_of(open_checkpoint(file).shapes)  # else it is not taken in
    # It is read once to know it, and once more to copy it.
    with stepping(f"importing {file.name}", file, times=1 if link else 2) as step:
        imported = import_file(folder, file, name, link=link, step=step)
    _is_here(folder, imported.name)


def verify(settings: Settings, name: str | None) -> bool:
    """Hash one checkpoint, or all that are here; whether all are good."""
    folder = model_folder(settings)
    states = [folder.state(name)] if name is not None else folder.states()
    good = True
    for state in states:
        if state.size is not None or name is not None:
            with stepping(f"hashing {state.name}", state.path) as step:
                verdict = verify_model(folder, state.name, step)
            write(sentence(verdict, state.name))
            good &= verdict.is_good
        good &= _conversions_are_good(state)
    return good


def remove(settings: Settings, name: str) -> None:
    """Remove a checkpoint and all that belongs to it."""
    folder = model_folder(settings)
    freed = folder.remove(name)
    write(f"{folder.name_of(name)} is removed; {megabytes(freed)} are free again.")


def dimension_of(state: ModelState) -> int | None:
    """The length of a model's vectors; None for one of your own that was not converted yet."""
    made = conversions(state.path)
    official = None if state.official is None else state.official.dimension
    return made[0].dimension if made else official


def _is_here(folder: ModelFolder, name: str) -> None:
    """What follows once a checkpoint has come: it is converted, where that can be done."""
    checkpoint = folder.places(name).file
    write(f"{name} is at {checkpoint}.")
    try:
        from immich_aio.engines.clip.conversion import converted  # noqa: PLC0415
    except ImportError:
        write("It is converted where it is used, for no inference library is installed here.")
        return
    model = converted(checkpoint, "f32")
    fitting = " or ".join(STAND_INS.get(model.dimension, ())) or "no model that Immich lists"
    write(
        f"It is ready: vectors of {model.dimension} numbers. Set CLIP_MODEL={name}, and choose "
        f"{fitting} as the CLIP model in Immich."
    )


def _conversions_are_good(state: ModelState) -> bool:
    """Hash what was made of a checkpoint, and say what is damaged."""
    damaged = [
        model.folder / name for model in conversions(state.path) for name in damaged_files(model)
    ]
    for path in damaged:
        write(f"{state.name}: {path} is DAMAGED. Remove {path.parent}, and it is made anew.")
    return not damaged


def _show(folder: ModelFolder, states: list[ModelState], chosen: ModelState | None) -> None:
    table = Table("model", "dimension", "size", "state", "", box=None, header_style="bold")
    for state in states:
        official = state.official
        size = state.size or (official.checkpoint.size if official else None)
        table.add_row(
            state.name,
            str(dimension_of(state) or "–"),
            megabytes(size) if size else "–",
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

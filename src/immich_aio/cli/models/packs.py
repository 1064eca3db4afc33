"""The ``models`` commands for face packs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from immich_aio.cli.compose import faces_license, pack_folder
from immich_aio.cli.models.output import megabytes, reporting, sentence, stepping, write
from immich_aio.domain.face_packs import FACE_DIMENSION
from immich_aio.engines.model_files.face_packs import TASKS, PublishedPack, other_reason
from immich_aio.engines.model_files.license import TERMS
from immich_aio.engines.model_files.pack_download import fetch_pack
from immich_aio.engines.model_files.pack_folder import PackFiles, PackState
from immich_aio.engines.model_files.pack_importing import import_pack
from immich_aio.engines.model_files.progress import Progress
from immich_aio.engines.model_files.verification import verify_pack
from immich_aio.errors import BadInputError
from immich_aio.settings import Settings


def pack_of(settings: Settings, name: str | None) -> PublishedPack | None:
    """The pack of this name, or of a zip or folder of this name; None where it is none."""
    return None if name is None else pack_folder(settings).published(name)


def show(settings: Settings, *, as_json: bool) -> None:
    """Which packs there are, and what is here of each."""
    states = pack_folder(settings).states()
    if as_json:
        write(*(json.dumps(_record(settings, state)) for state in states))
        return
    table = Table("faces", "dimension", "size", "state", "", box=None, header_style="bold")
    for state in states:
        size = state.size or sum(file.size or 0 for file in state.pack.networks)
        table.add_row(
            state.pack.name,
            str(FACE_DIMENSION),
            megabytes(size) if size else "–",
            _status(state),
            "RECOGNITION_MODEL" if _is_chosen(settings, state) else "",
        )
    console = Console(highlight=False)
    how = faces_license(settings).accepted_how
    root = settings.faces_download_root
    console.print(f"Face packs in {root}; licence {how}:", markup=False, soft_wrap=True)
    console.print(table)


def pull(settings: Settings, pack: PublishedPack, *, accept: bool) -> None:
    """Fetch a pack; shows the licence first, and refuses where it is not accepted."""
    _ask_licence(settings, pack, accept=accept)
    folder = pack_folder(settings)
    state = folder.state(pack)
    if state.is_other_file:
        raise BadInputError(
            f"What is in {state.path} is not the published {pack.name}, and is used as it is. To "
            f"have that instead, run 'immich-aio models rm {pack.name}' first."
            f"{other_reason('recognition')}"
        )
    with reporting(pack.name) as report:
        asyncio.run(fetch_pack(folder, pack, settings.sources, report))
    _is_here(settings, pack)


def take_in(
    settings: Settings,
    pack: PublishedPack,
    source: Path,
    *,
    link: bool,
    others: bool,
    accept: bool,
) -> None:
    """Import a pack from a zip or a folder; as for the licence, see ``pull``.

    Networks ``others`` than the published ones are taken only if that is said.
    """
    _ask_licence(settings, pack, accept=accept)
    folder = pack_folder(settings)
    import_pack(folder, pack, source, link=link, others=others, check=_check)
    _is_here(settings, pack)


def verify(settings: Settings, pack: PublishedPack) -> bool:
    """Hash both of a pack's files; whether they are good."""
    folder = pack_folder(settings)
    files = folder.files(pack)
    paths = [path for _, path in files.of_tasks()] if files else []
    with stepping(f"hashing {pack.name}", *paths) as step:
        verdicts = verify_pack(folder, pack, step)
    for task, verdict in zip(TASKS, verdicts, strict=True):
        reason = "" if verdict.is_good else other_reason(task)
        write(sentence(verdict, pack.name) + reason)
    return all(verdict.is_good for verdict in verdicts)


def verify_all(settings: Settings) -> bool:
    """Hash every pack that is here; whether all are good."""
    good = True
    for state in pack_folder(settings).states():
        if state.files is not None:
            good &= verify(settings, state.pack)
    return good


def remove(settings: Settings, pack: PublishedPack) -> None:
    """Remove a pack and all that belongs to it."""
    freed = pack_folder(settings).remove(pack)
    write(f"{pack.name} is removed; {megabytes(freed)} are free again.")


def _ask_licence(settings: Settings, pack: PublishedPack, *, accept: bool) -> None:
    """Show it once, where it was not accepted yet, and note that it is now."""
    licence = faces_license(settings)
    if licence.accepted:
        return
    write(TERMS, "")
    if accept:
        licence.accept()
    licence.require(pack.name)


def _check(files: PackFiles) -> None:
    """Raises BadCheckpointError for networks that are not what they should be, where they can be
    tried.
    """
    try:
        from immich_aio.engines.faces.models import load_models  # noqa: PLC0415
        from immich_aio.engines.runtimes import choose  # noqa: PLC0415
    except ImportError:
        return  # they are tried where they are used
    load_models(files, choose("auto", "cpu", 1))


def _is_here(settings: Settings, pack: PublishedPack) -> None:
    write(f"{pack.name} is in {pack_folder(settings).path(pack)}.")
    todo = [] if settings.recognition_model == pack.name else [f"RECOGNITION_MODEL={pack.name}"]
    todo += [] if settings.faces_from == "here" else ["FACES_FROM=here"]
    if todo:
        write(f"For Immich's faces set {' and '.join(todo)}, and choose {pack.name} in Immich.")


def _is_chosen(settings: Settings, state: PackState) -> bool:
    return state.pack.name == settings.recognition_model


def _status(state: PackState) -> str:
    if state.is_other_file:
        return "present, not as published"
    return (
        state.status if state.partial is None else f"partial: {Progress(state.partial, None, None)}"
    )


def _record(settings: Settings, state: PackState) -> dict[str, object]:
    return {
        "name": state.pack.name,
        "path": str(state.path),
        "dimension": FACE_DIMENSION,
        "official_bytes": sum(file.size or 0 for file in state.pack.networks) or None,
        "status": state.status,
        "bytes": state.size,
        "partial_bytes": state.partial,
        "sha256": state.hashes,
        "license_accepted": faces_license(settings).accepted,
        "configured": _is_chosen(settings, state),
    }

"""A checkpoint that is already on this machine becomes one of the folder's, all at once."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from immich_aio.engines.model_files.disk import Lock, sync_folder, telling
from immich_aio.engines.model_files.folder import ModelFolder
from immich_aio.engines.model_files.hashes import Step, blocks, no_step, sha256_of, write_record
from immich_aio.engines.model_files.places import Places
from immich_aio.errors import BadInputError, UnavailableError


@dataclass(frozen=True, slots=True)
class Imported:
    """Where a file is now, and as which model; not ``is_new`` if the very same was there before."""

    name: str
    path: Path
    sha256: str
    is_new: bool


def import_file(
    folder: ModelFolder,
    file: Path,
    name: str | None = None,
    *,
    link: bool = False,
    step: Step = no_step,
) -> Imported:
    """Copy the file into the folder, or hard-link it; the file itself stays as and where it is.

    Without a ``name`` an official checkpoint is known by its hash or its file name, and any other
    is called like its file. Raises BadInputError for a file that is not there or not what it is
    said to be, and where another file already bears the name.
    """
    if not file.is_file():
        raise BadInputError(f"There is no file {file}.")
    with telling(file):
        sha256 = sha256_of(file, step)
        chosen = _name(folder, file, name, sha256)
        places = folder.places(chosen)
        if places.file.exists():
            _check_same(places, chosen, sha256, step)
            return Imported(chosen, places.file, sha256, is_new=False)
        _take_in(file, places, sha256, link=link, step=step)
        return Imported(chosen, places.file, sha256, is_new=True)


def _name(folder: ModelFolder, file: Path, name: str | None, sha256: str) -> str:
    known = folder.by_hash(sha256)
    if name is None and known is not None:
        return known.name
    chosen = folder.name_of(file.stem if name is None else name)
    official = folder.official(chosen)
    if official is not None and official.checkpoint.sha256 not in (None, sha256):
        raise BadInputError(
            f"{file} is not the official checkpoint of {chosen}: its SHA-256 is {sha256}, not "
            f"{official.checkpoint.sha256}. If it was downloaded, it is incomplete or damaged; if "
            "it is a model of your own, name it with --as."
        )
    return chosen


def _check_same(places: Places, name: str, sha256: str, step: Step) -> None:
    if sha256_of(places.file, step) != sha256:
        raise BadInputError(
            f"There is another file for {name} at {places.file}; run 'immich-aio models rm {name}' "
            "first, or choose another name with --as."
        )


def _take_in(file: Path, places: Places, sha256: str, *, link: bool, step: Step) -> None:
    lock = Lock(places.incoming.with_name(places.incoming.name + ".lock"))
    if not lock.taken():
        raise UnavailableError(f"{places.file} is being imported by another process.")
    try:
        places.incoming.unlink(missing_ok=True)
        if link:
            os.link(file.resolve(), places.incoming)
        else:
            _copy(file, places.incoming, sha256, step)
        places.incoming.replace(places.file)
        sync_folder(places.file.parent)
        write_record(places.record, sha256)
    finally:
        places.incoming.unlink(missing_ok=True)
        lock.give_back()
    _drop_part(places)


def _copy(file: Path, copy: Path, sha256: str, step: Step) -> None:
    digest = hashlib.sha256()
    with file.open("rb") as source, copy.open("xb") as target:
        for block in blocks(source, step):
            target.write(block)
            digest.update(block)
        target.flush()
        os.fsync(target.fileno())
    if digest.hexdigest() != sha256:
        raise BadInputError(f"{file} changed while it was read; try again.")


def _drop_part(places: Places) -> None:
    """What a pull has left is of no use now; a pull that runs sees the file and ends itself."""
    lock = Lock(places.lock)
    if lock.taken():
        places.part.unlink(missing_ok=True)
        places.origin.unlink(missing_ok=True)
        lock.give_back()

"""Whether a model's files are still what they were: hashed anew, and compared."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from immich_aio.engines.model_files.disk import telling
from immich_aio.engines.model_files.face_packs import PublishedPack, other_reason
from immich_aio.engines.model_files.folder import ModelFolder
from immich_aio.engines.model_files.hashes import (
    Step,
    no_step,
    read_record,
    sha256_of,
    write_record,
)
from immich_aio.engines.model_files.pack_folder import PackFiles, PackFolder
from immich_aio.engines.model_files.places import Places
from immich_aio.errors import BadCheckpointError, ModelMissingError


@dataclass(frozen=True, slots=True)
class Verdict:
    """A file's hash, and the one it should have by the catalogue or by the note of its coming."""

    name: str
    path: Path
    sha256: str
    expected: str | None
    according_to: Literal["catalogue", "record", "nothing"]

    @property
    def is_good(self) -> bool:
        """Whether nothing speaks against the file."""
        return self.expected in (None, self.sha256)


def verify(folder: ModelFolder, name: str, step: Step = no_step) -> Verdict:
    """Hash the model's file; what nobody has noted yet is noted now.

    Raises ModelMissingError where there is no file.
    """
    state = folder.state(name)
    if state.size is None:
        raise ModelMissingError(
            f"{state.name} is not here: {state.path} does not exist. Run 'immich-aio models list' "
            "to see what is."
        )
    pinned = None if state.official is None else state.official.checkpoint.sha256
    return _verdict(state.name, folder.places(name), pinned, step)


def verify_pack(folder: PackFolder, pack: PublishedPack, step: Step = no_step) -> list[Verdict]:
    """Hash both of the pack's files; otherwise as ``verify``."""
    files = folder.files(pack)
    if files is None:
        raise ModelMissingError(
            f"{pack.name} is not here: {folder.path(pack)} does not have both of its files. Run "
            "'immich-aio models list' to see what is."
        )
    return [
        _verdict(f"{pack.name} {task}", Places(path), file.sha256, step)
        for (task, path), file in zip(files.of_tasks(), pack.networks, strict=True)
    ]


def pin(files: PackFiles, name: str) -> None:
    """Have the files of a pack be, from its first use on, what they were then.

    Raises BadCheckpointError where they have changed since: vectors of another model would mix
    with those that Immich already has, and no length betrays it.
    """
    for task, path in files.of_tasks():
        places = Places(path)
        try:
            noted, sha256 = read_record(places.record), sha256_of(path)
        except OSError as error:
            raise BadCheckpointError(
                f"The {task} of {name} cannot be read: {path}: {error.strerror or error}."
            ) from None
        if noted is None:
            with contextlib.suppress(OSError):  # a folder that is only to be read is no fault
                write_record(places.record, sha256)
        elif noted != sha256:
            raise BadCheckpointError(
                f"The {task} of {name} at {path} is not what it was when it came, or was first "
                f"used: its vectors may not fit those that there are. Run 'immich-aio models rm "
                f"{name}' and get it again; or, if it was changed on purpose, remove "
                f"{places.record}.{other_reason(task)}"
            )


def _verdict(name: str, places: Places, pinned: str | None, step: Step) -> Verdict:
    with telling(places.file):
        noted, sha256 = read_record(places.record), sha256_of(places.file, step)
        if pinned is not None:
            verdict = Verdict(name, places.file, sha256, pinned, "catalogue")
        elif noted is not None:
            verdict = Verdict(name, places.file, sha256, noted, "record")
        else:
            verdict = Verdict(name, places.file, sha256, None, "nothing")
        if verdict.is_good and noted is None:
            write_record(places.record, sha256)
    return verdict

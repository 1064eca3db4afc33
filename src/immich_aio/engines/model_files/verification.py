"""Whether a checkpoint is still what it was: hashed anew, and compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from immich_aio.engines.model_files.disk import telling
from immich_aio.engines.model_files.folder import ModelFolder
from immich_aio.engines.model_files.hashes import Step, no_step, sha256_of, write_record
from immich_aio.errors import ModelMissingError


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
    with telling(state.path):
        sha256 = sha256_of(state.path, step)
        pinned = None if state.official is None else state.official.checkpoint.sha256
        if pinned is not None:
            verdict = Verdict(state.name, state.path, sha256, pinned, "catalogue")
        elif state.sha256 is not None:
            verdict = Verdict(state.name, state.path, sha256, state.sha256, "record")
        else:
            verdict = Verdict(state.name, state.path, sha256, None, "nothing")
        if verdict.is_good and state.sha256 is None:
            write_record(folder.places(name).record, sha256)
    return verdict

"""The folder of checkpoints: what is there, under which names, and how it goes away.

A checkpoint of the catalogue lies under its official file name, as cn-clip and mt-photos-ai put it
there; any other, such as one tuned on photos of one's own, is ``NAME.pt``.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from immich_aio.engines.model_files.catalogue import CLIP_MODELS, PublishedModel
from immich_aio.engines.model_files.disk import Lock, size_of, telling
from immich_aio.engines.model_files.hashes import read_record
from immich_aio.engines.model_files.places import Places
from immich_aio.errors import BadInputError, ModelMissingError, UnavailableError

ENDING = ".pt"
SAFE_NAME = re.compile(r"\w[\w.+-]{0,99}(?<!\.)")
"""Letters of any script, digits, dot, plus, minus, underscore: a file name on every system."""


@dataclass(frozen=True, slots=True)
class ModelState:
    """What is known of a model, and what is here of it; sizes are in bytes.

    ``official`` is its entry in the catalogue; ``size`` and ``partial`` are None where there is no
    file or no part of one; ``sha256`` is what was noted of the file when it came.
    """

    name: str
    path: Path
    official: PublishedModel | None
    size: int | None
    partial: int | None
    sha256: str | None

    @property
    def status(self) -> Literal["present", "partial", "missing"]:
        """In one word."""
        if self.size is not None:
            return "present"
        return "missing" if self.partial is None else "partial"

    @property
    def is_other_file(self) -> bool:
        """Whether what lies under the official name cannot be the official file."""
        official = None if self.official is None else self.official.checkpoint.size
        return None not in (self.size, official) and self.size != official


class ModelFolder:
    """The checkpoints under ``root``; ``known`` is the catalogue."""

    def __init__(self, root: Path, known: Sequence[PublishedModel] = CLIP_MODELS) -> None:
        self.root = root
        self.known = tuple(known)

    def official(self, name: str) -> PublishedModel | None:
        """The catalogue's model of this name, or of this name of its file; case does not matter."""
        wanted = name.casefold().removesuffix(ENDING)
        for model in self.known:
            if wanted in (model.name.casefold(), Path(model.checkpoint.name).stem.casefold()):
                return model
        return None

    def by_hash(self, sha256: str) -> PublishedModel | None:
        """The catalogue's model whose checkpoint has this hash."""
        return next((each for each in self.known if each.checkpoint.sha256 == sha256), None)

    def name_of(self, name: str) -> str:
        """The name by which a model goes. Raises BadInputError for what cannot be a file's."""
        official = self.official(name)
        if official is not None:
            return official.name
        short = name.removesuffix(ENDING)
        if not SAFE_NAME.fullmatch(short):
            raise BadInputError(
                f"'{name}' cannot be a model's name: use letters, digits and . _ + - (at most 100, "
                "beginning with a letter or digit)."
            )
        return short

    def places(self, name: str) -> Places:
        """The path of the model's checkpoint, present or not, and of what belongs to it."""
        official = self.official(name)
        file = self.name_of(name) + ENDING if official is None else official.checkpoint.name
        return Places(self.root / file)

    def state(self, name: str) -> ModelState:
        """What is here of one model."""
        places = self.places(name)
        size = size_of(places.file)
        return ModelState(
            name=self.name_of(name),
            path=places.file,
            official=self.official(name),
            size=size,
            partial=size_of(places.part) if size is None else None,
            sha256=read_record(places.record) if size is not None else None,
        )

    def states(self) -> list[ModelState]:
        """Of every model of the catalogue, then of every other one that is here."""
        here = [path for path in self.root.glob(f"*{ENDING}") if size_of(path) is not None]
        own = [path.stem for path in here if SAFE_NAME.fullmatch(path.stem)]
        names = [model.name for model in self.known]
        names += sorted(name for name in own if self.official(name) is None)
        return [self.state(name) for name in names]

    def remove(self, name: str) -> int:
        """Remove the model and everything that belongs to it; returns the bytes that this frees.

        Raises ModelMissingError when nothing of it is here, UnavailableError while it is fetched.
        """
        places = self.places(name)
        here = [path for path in places.all() if path.exists() or path.is_symlink()]
        if not here:
            raise ModelMissingError(
                f"Nothing of {self.name_of(name)} is in {self.root}. Run 'immich-aio models list' "
                "to see what is."
            )
        lock = Lock(places.lock)
        with telling(places.file):
            if not lock.taken():
                raise UnavailableError(
                    f"{self.name_of(name)} is being fetched by another process; stop that first."
                )
            try:
                return sum(remove_path(path) for path in here)
            finally:
                lock.give_back()


def remove_path(path: Path) -> int:
    """Remove a file or a folder; returns the bytes in it. A link goes, and not what it leads to."""
    if not path.is_dir() or path.is_symlink():
        size = path.lstat().st_size
        path.unlink()
        return size
    size = sum(each.lstat().st_size for each in path.rglob("*") if each.is_file())
    shutil.rmtree(path)
    return size

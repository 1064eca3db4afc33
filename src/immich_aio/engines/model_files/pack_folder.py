"""The folder of face packs: what is there, under which names, and how it goes away.

A pack is a folder of its name. What we fetch is laid out as Immich's own server keeps it in its
cache (``detection/model.onnx``, ``recognition/model.onnx``); what InsightFace's zips unpack to is
used as well, so a folder of either's is used as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from immich_aio.engines.model_files.disk import Lock, size_of, telling
from immich_aio.engines.model_files.face_packs import FACE_PACKS, TASKS, PublishedPack, Task
from immich_aio.engines.model_files.folder import remove_path
from immich_aio.engines.model_files.hashes import read_record
from immich_aio.engines.model_files.places import Places
from immich_aio.errors import ModelMissingError, UnavailableError


@dataclass(frozen=True, slots=True)
class PackFiles:
    """The two networks of a pack."""

    detection: Path
    recognition: Path

    def of_tasks(self) -> Iterator[tuple[Task, Path]]:
        """Each task with its file."""
        yield from zip(TASKS, (self.detection, self.recognition), strict=True)


@dataclass(frozen=True, slots=True)
class PackState:
    """What is here of a pack: ``size`` in bytes if all is, ``partial`` of what has come so far."""

    pack: PublishedPack
    path: Path
    files: PackFiles | None
    size: int | None
    partial: int | None

    @property
    def status(self) -> Literal["present", "partial", "missing"]:
        """In one word."""
        if self.size is not None:
            return "present"
        return "missing" if self.partial is None else "partial"

    @property
    def is_other_file(self) -> bool:
        """Whether one of its files cannot be the published one."""
        if self.files is None:
            return False
        pairs = zip(self.files.of_tasks(), self.pack.networks, strict=True)
        return any(file.size not in (None, size_of(path)) for (_, path), file in pairs)

    @property
    def hashes(self) -> dict[str, str | None]:
        """What was noted of its files when they came, or were first used."""
        files = () if self.files is None else self.files.of_tasks()
        return {task: read_record(Places(path).record) for task, path in files}


def files_in(folder: Path, pack: PublishedPack) -> PackFiles | None:
    """The pack's files in a folder of Immich's, of InsightFace's or of ours, if both are there."""
    for found in (
        PackFiles(*(folder / file.name for file in pack.networks)),
        PackFiles(*(folder / name for name in pack.members)),
        # Some of InsightFace's zips have a folder of the pack's name inside.
        PackFiles(*(folder / pack.name / name for name in pack.members)),
    ):
        if all(size_of(path) is not None for _, path in found.of_tasks()):
            return found
    return None


class PackFolder:
    """The packs under ``root``; ``known`` is the catalogue."""

    def __init__(self, root: Path, known: Sequence[PublishedPack] = FACE_PACKS) -> None:
        self.root = root
        self.known = tuple(known)

    def published(self, name: str) -> PublishedPack | None:
        """The catalogue's pack of this name, or of this name of its zip; case does not matter."""
        wanted = name.casefold().removesuffix(".zip")
        return next((pack for pack in self.known if pack.name == wanted), None)

    def path(self, pack: PublishedPack) -> Path:
        """The pack's own folder."""
        return self.root / pack.name

    def archive(self, pack: PublishedPack) -> Path:
        """Where its zip lies until it is unpacked."""
        return self.root / pack.archive.name

    def lock(self, pack: PublishedPack) -> Lock:
        """Held by the process that fetches, imports or removes the pack."""
        return Lock(self.root / f".{pack.name}.lock")

    def targets(self, pack: PublishedPack) -> PackFiles:
        """Where files of the pack go to."""
        return PackFiles(*(self.path(pack) / file.name for file in pack.networks))

    def files(self, pack: PublishedPack) -> PackFiles | None:
        """The pack's files, if both are here."""
        return files_in(self.path(pack), pack)

    def state(self, pack: PublishedPack) -> PackState:
        """What is here of one pack."""
        files = self.files(pack)
        if files is not None:
            size = sum(size_of(path) or 0 for _, path in files.of_tasks())
            return PackState(pack, self.path(pack), files, size, None)
        coming = [path for _, path in self.targets(pack).of_tasks()] + [self.archive(pack)]
        sizes = [size_of(each) for path in coming for each in (path, Places(path).part)]
        known = [size for size in sizes if size is not None]
        return PackState(pack, self.path(pack), None, None, sum(known) if known else None)

    def states(self) -> list[PackState]:
        """Of every pack of the catalogue."""
        return [self.state(pack) for pack in self.known]

    def remove(self, pack: PublishedPack) -> int:
        """Remove the pack's folder and all that has come of it; returns the bytes that this frees.

        Raises ModelMissingError when nothing of it is here, UnavailableError while it is fetched.
        """
        candidates = (self.path(pack), *Places(self.archive(pack)).all())
        here = [path for path in candidates if path.exists() or path.is_symlink()]
        if not here:
            raise ModelMissingError(
                f"Nothing of {pack.name} is in {self.root}. Run 'immich-aio models list' to see "
                "what is."
            )
        lock = self.lock(pack)
        with telling(self.path(pack)):
            if not lock.taken():
                raise UnavailableError(
                    f"{pack.name} is being fetched by another process; stop that first."
                )
            try:
                return sum(remove_path(path) for path in here)
            finally:
                lock.give_back()

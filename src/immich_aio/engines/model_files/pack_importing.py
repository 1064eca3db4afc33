"""A pack that is already on this machine, as a zip or a folder, becomes one of the folder's."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from immich_aio.engines.model_files.archive import unpack
from immich_aio.engines.model_files.disk import sync_folder, telling
from immich_aio.engines.model_files.face_packs import PublishedPack, other_reason
from immich_aio.engines.model_files.hashes import read_record, sha256_of, write_record
from immich_aio.engines.model_files.pack_folder import PackFiles, PackFolder, files_in
from immich_aio.engines.model_files.places import Places
from immich_aio.errors import BadInputError, UnavailableError


def import_pack(
    folder: PackFolder,
    pack: PublishedPack,
    source: Path,
    *,
    link: bool = False,
    others: bool = False,
    check: Callable[[PackFiles], None] = lambda _files: None,
) -> bool:
    """Take both networks of a zip or a folder; says whether they are new. The source stays.

    ``check`` raises where they are not what they should be, before anything is taken in. Raises
    BadInputError for what is no pack, where another one is here already, and for ``others`` than
    the published networks unless they are wanted.
    """
    lock = folder.lock(pack)
    with telling(folder.root):
        if not lock.taken():
            raise UnavailableError(f"{pack.name} is being fetched by another process.")
        staging = None
        try:
            staging = Path(tempfile.mkdtemp(prefix=f".{pack.name}-", dir=folder.root))
            staged = PackFiles(*(staging / file.name for file in pack.networks))
            _stage(pack, source, staged, link=link)
            if not others:
                _require_published(pack, source, staged)
            check(staged)
            return _take_in(folder, pack, staged)
        finally:
            if staging is not None:
                shutil.rmtree(staging, ignore_errors=True)
            lock.give_back()


def _stage(pack: PublishedPack, source: Path, staged: PackFiles, *, link: bool) -> None:
    """Have both networks, and notes of their hashes, where they can be looked at."""
    if not source.is_dir():
        if link:
            raise BadInputError(f"{source} is no folder: what is in a zip cannot be linked.")
        if not source.is_file():
            raise BadInputError(f"There is no file {source}.")
        unpack(source, pack, staged)
        return
    files = files_in(source, pack)
    if files is None:
        raise BadInputError(
            f"{source} has neither {' and '.join(file.name for file in pack.networks)} nor "
            f"{' and '.join(pack.members)}: it is not {pack.name}."
        )
    for (_, file), (_, copy) in zip(files.of_tasks(), staged.of_tasks(), strict=True):
        copy.parent.mkdir()
        if link:
            os.link(file.resolve(), copy)
        else:
            shutil.copyfile(file, copy)
        write_record(Places(copy).record, sha256_of(copy))


def _require_published(pack: PublishedPack, source: Path, staged: PackFiles) -> None:
    for (task, file), known in zip(staged.of_tasks(), pack.networks, strict=True):
        sha256 = read_record(Places(file).record)
        if known.sha256 not in (None, sha256):
            raise BadInputError(
                f"{source} is not the published {pack.name}: its {task} has SHA-256 {sha256}, not "
                f"{known.sha256}. If it was downloaded, it is incomplete or damaged; if it is "
                f"to take the place of the published one, import it with --as {pack.name}."
                f"{other_reason(task)}"
            )


def _take_in(folder: PackFolder, pack: PublishedPack, staged: PackFiles) -> bool:
    here = folder.files(pack)
    if here is not None:
        pairs = zip(here.of_tasks(), staged.of_tasks(), strict=True)
        if all(sha256_of(one) == sha256_of(other) for (_, one), (_, other) in pairs):
            return False
        raise BadInputError(
            f"There is another {pack.name} in {folder.path(pack)}; run 'immich-aio models rm "
            f"{pack.name}' first."
        )
    for (_, file), (_, target) in zip(
        staged.of_tasks(), folder.targets(pack).of_tasks(), strict=True
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        Places(file).record.replace(Places(target).record)
        file.replace(target)
        sync_folder(target.parent)
    return True

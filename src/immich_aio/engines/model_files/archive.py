"""Taking a pack's two networks out of a zip, which may be anything.

Only members of the two names are ever opened, wherever in the zip they lie, and no path of the zip
is ever used: where they are written is ours to say. A member that claims to be larger than any
network is refused, and none can be larger than it claims (``zipfile`` reads no further).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from immich_aio.engines.model_files.face_packs import PublishedPack
from immich_aio.engines.model_files.hashes import Step, blocks, no_step, write_record
from immich_aio.engines.model_files.pack_folder import PackFiles
from immich_aio.engines.model_files.places import Places
from immich_aio.errors import BadInputError

MOST_BYTES = 1_000_000_000
"""No network of a pack is as large: the largest, antelopev2's recogniser, has a quarter of it."""


def unpack(archive: Path, pack: PublishedPack, targets: PackFiles, step: Step = no_step) -> None:
    """Write both networks to their places, with notes of their hashes.

    Raises BadInputError for what is no zip of this pack.
    """
    with _opened(archive) as opened:
        members = [_member(opened, archive, name) for name in pack.members]
        for member, (_, target) in zip(members, targets.of_tasks(), strict=True):
            _extract(opened, member, target, step)


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    """The zip; whatever is wrong with it as a BadInputError."""
    try:
        with zipfile.ZipFile(archive) as opened:
            yield opened
    # An encrypted member is a RuntimeError, an unknown compression NotImplementedError.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise BadInputError(f"{archive} is no zip that can be unpacked: {error}.") from None


def _member(opened: zipfile.ZipFile, archive: Path, name: str) -> zipfile.ZipInfo:
    found = [each for each in opened.infolist() if PurePosixPath(each.filename).name == name]
    if len(found) != 1:
        there = "no" if not found else "more than one"
        raise BadInputError(f"{archive} is not the pack's zip: it has {there} file {name}.")
    if found[0].file_size > MOST_BYTES:
        raise BadInputError(
            f"{archive} is not the pack's zip: {name} would have {found[0].file_size:,} bytes."
        )
    return found[0]


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, step: Step) -> None:
    """Unpack one member; it gets its name when it is whole."""
    places = Places(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with opened.open(member) as source, places.incoming.open("wb") as file:
            for block in blocks(source, step):
                file.write(block)
                digest.update(block)
            file.flush()
            os.fsync(file.fileno())
        places.incoming.replace(target)
    finally:
        places.incoming.unlink(missing_ok=True)
    write_record(places.record, digest.hexdigest())

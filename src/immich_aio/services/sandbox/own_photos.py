"""The user's own photos as a library: read where they lie, and never written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from immich_aio.domain.immich import AssetType
from immich_aio.errors import AioError, BadInputError
from immich_aio.services.sandbox import media
from immich_aio.services.sandbox.library import Library, NewAsset
from immich_aio.wire.immich_api.media import asset_type

AT_ONCE = 4
"""Files that are looked at at the same time."""


def photos_in(folder: Path) -> list[Path]:
    """Every picture and video below a folder, sorted. Raises BadInputError."""
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        raise BadInputError(f"--photos: {folder} is no folder.")
    return sorted(path for path in _walk(folder) if asset_type(path.name) is not None)


async def import_photos(
    library: Library,
    owner_id: UUID,
    files: list[Path],
    known: dict[Path, datetime],
    advance: Callable[[], None],
) -> dict[Path, str]:
    """Make assets of the files that are not known yet; those that could not be taken, and why.

    ``advance`` is called after every file.
    """
    passed_over: dict[Path, str] = {}
    places = asyncio.Semaphore(AT_ONCE)

    async def take(path: Path) -> None:
        async with places:
            try:
                if not await _take(library, owner_id, path, known):
                    passed_over[path] = "the same picture is there already."
            except AioError as error:
                passed_over[path] = error.message
            except OSError as error:
                passed_over[path] = f"cannot be opened: {error.strerror}."
            advance()

    await asyncio.gather(*map(take, files))
    return passed_over


async def _take(library: Library, owner_id: UUID, path: Path, known: dict[Path, datetime]) -> bool:
    """Make an asset of a file; False for one that another file holds already."""
    # Files know nanoseconds, Immich's clients milliseconds: seconds are enough to see a change.
    modified = datetime.fromtimestamp(int((await asyncio.to_thread(path.stat)).st_mtime), UTC)
    if known.get(path) == modified:
        return True
    kind = asset_type(path.name) or AssetType.OTHER
    metadata = await asyncio.to_thread(media.read_metadata, path, kind)
    taken = metadata.taken_at or modified
    added = await library.add(NewAsset(owner_id, path, path.name, kind, taken, modified))
    return not added.duplicate


def _walk(folder: Path) -> Iterator[Path]:
    """All files below a folder; links to folders are not followed, for they may lead in circles."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if not path.is_symlink():
                yield from _walk(path)
        elif path.is_file():
            yield path

"""Files of the library: where they lie, and how one becomes an asset."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

from psycopg.rows import DictRow

from immich_aio.domain.immich import AssetType, Shape, Visibility
from immich_aio.services.sandbox.data import Data
from immich_aio.services.sandbox.queues import METADATA
from immich_aio.upstream.bullmq import JobQueues

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class NewAsset:
    """A file that is to become an asset, and what is known of it."""

    owner_id: UUID
    path: Path
    name: str
    type: AssetType
    created_at: datetime
    modified_at: datetime
    favorite: bool = False
    visibility: Visibility = Visibility.TIMELINE
    duration: int | None = None
    """In milliseconds."""
    live_photo_video_id: UUID | None = None
    device_asset_id: str = ""
    device_id: str = "sandbox"


@dataclass(frozen=True, slots=True)
class Added:
    """The asset that a file became, or the one that was there before."""

    id: UUID
    duplicate: bool


class Library:
    """The files of one miniature, in Immich's folders below ``root``."""

    def __init__(self, root: Path, data: Data, queues: JobQueues) -> None:
        self.root = root
        self._data = data
        self._queues = queues

    async def add(self, new: NewAsset, *, asset_id: UUID | None = None) -> Added:
        """Make an asset of a file that lies where it is to stay; its jobs are not queued yet."""
        checksum, size = await asyncio.to_thread(_digest, new.path)
        asset_id = asset_id or uuid4()
        old = self._data.shape is Shape.V2_2
        device = {"device_asset_id": new.device_asset_id or new.name, "device_id": new.device_id}
        added = await self._data.run(
            "add_asset",
            id=asset_id,
            owner_id=new.owner_id,
            type=new.type.value,
            path=str(new.path),
            name=new.name,
            created_at=new.created_at,
            modified_at=new.modified_at,
            checksum=checksum,
            favorite=new.favorite,
            visibility=new.visibility.value,
            duration=_spelled(new.duration) if old else new.duration,
            live_photo_video_id=new.live_photo_video_id,
            **(device if old else {}),
        )
        if not added:
            return Added(await self._same(new.owner_id, checksum), duplicate=True)
        await self._data.run("add_exif", id=asset_id, size=size)
        await self._data.run("add_usage", user_id=new.owner_id, size=size)
        return Added(asset_id, duplicate=False)

    async def _same(self, owner_id: UUID, checksum: bytes) -> UUID:
        row = await self._data.row("asset_by_checksum", user_id=owner_id, checksum=checksum)
        assert row is not None  # noqa: S101  # its checksum is why nothing was added
        return UUID(str(row["id"]))

    async def queue(self, ids: list[UUID]) -> None:
        """Queue what Immich does with new assets: metadata first, and from there the rest."""
        await self._queues.add(
            METADATA.queue, METADATA.name, [str(one) for one in ids], source="upload"
        )

    def path(self, asset: DictRow) -> Path:
        """Where an asset's file lies."""
        return Path(asset["originalPath"])

    def upload_path(self, owner_id: UUID, suffix: str) -> Path:
        """Where an uploaded file is to lie."""
        name = str(uuid4())
        folder = self.root / "upload" / str(owner_id) / name[:2] / name[2:4]
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}{suffix.lower()}"

    def thumbnail_path(self, owner_id: UUID, asset_id: UUID, size: str, suffix: str) -> Path:
        """Where a preview or thumbnail is to lie."""
        name = str(asset_id)
        folder = self.root / "thumbs" / str(owner_id) / name[:2] / name[2:4]
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}_{size}{suffix}"

    def copied(self, source: Path, owner_id: UUID) -> Path:
        """A copy of a file, below ``root``."""
        target = self.upload_path(owner_id, source.suffix)
        shutil.copyfile(source, target)
        return target


def _digest(path: Path) -> tuple[bytes, int]:
    digest, size = hashlib.sha1(usedforsecurity=False), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
    return digest.digest(), size


def _spelled(milliseconds: int | None) -> str | None:
    """Spell a duration as 2.x does: ``0:01:05.25000``."""
    if milliseconds is None:
        return None
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}.{rest * 100:05}"

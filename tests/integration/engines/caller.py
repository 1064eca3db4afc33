"""Who fetches a file from the hub of ``hub.py``, and the files that are fetched."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from immich_aio.engines.model_files.catalogue import RemoteFile
from immich_aio.engines.model_files.connection import Timeouts
from immich_aio.engines.model_files.download import fetch
from immich_aio.engines.model_files.places import Places
from immich_aio.engines.model_files.progress import Progress
from immich_aio.errors import ModelFetchError
from tests.integration.engines.hub import Hub, sha256

DATA = random.Random(3).randbytes(300_000)  # noqa: S311  # no secret
OTHER = random.Random(4).randbytes(300_000)  # noqa: S311  # no secret
HALF = 150_000
KNOWN = RemoteFile("a.pt", "us/a", "us/a", len(DATA), sha256(DATA))
UNKNOWN = RemoteFile("a.pt", "us/a", "us/a")
QUICK = Timeouts(connect=5, silence=5, pause=0)
IMPATIENT = Timeouts(connect=5, silence=0.2, pause=0)


@dataclass
class Caller:
    """Who fetches to ``target``, keeps what is reported, and tells the hub what is written."""

    hub: Hub
    target: Path
    reported: list[Progress] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)

    def report(self, progress: Progress) -> None:
        self.reported.append(progress)
        self.hub.written(progress.received)
        self.began.set()

    async def get(
        self, *urls: str, file: RemoteFile = KNOWN, timeouts: Timeouts = QUICK
    ) -> list[Progress]:
        """Fetch the file; what was reported."""
        try:
            await fetch(file, urls, self.target, self.report, timeouts)
        finally:
            await self._lock_is_gone()
        return self.reported

    async def _lock_is_gone(self) -> None:
        """A caller who finds the file there leaves its lock to a thread, which is soon done."""
        for _ in range(500):
            if not Places(self.target).lock.exists():
                return
            await asyncio.sleep(0.01)

    async def fails(
        self, *urls: str, file: RemoteFile = KNOWN, timeouts: Timeouts = QUICK
    ) -> ModelFetchError:
        """Fetch the file in vain; why."""
        with pytest.raises(ModelFetchError) as raised:
            await self.get(*urls, file=file, timeouts=timeouts)
        assert self.target.name not in self.files()
        return raised.value

    def files(self) -> dict[str, bytes]:
        """Everything in the folder but the note of the hash."""
        if not self.target.parent.is_dir():
            return {}
        record = Places(self.target).record
        files = self.target.parent.iterdir()
        return {path.name: path.read_bytes() for path in files if path != record}


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)

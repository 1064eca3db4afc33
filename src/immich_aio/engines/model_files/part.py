"""The part of a file that has come so far: written, hashed as it grows, taken up again later."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from immich_aio.engines.model_files.disk import sync_folder
from immich_aio.engines.model_files.exchange import Origin
from immich_aio.engines.model_files.hashes import Step, blocks, no_step, write_record
from immich_aio.engines.model_files.places import Places


class PartFile:
    """The part beside the file. All methods do file work, one at a time: for a thread of its own.

    ``size`` is what is here, in bytes; ``borrowed`` is for the caller to say that some of it came
    from elsewhere than what comes now.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self.size = 0
        self.borrowed = False
        self.origin: Origin | None = None

    def open(self, step: Step = no_step) -> None:
        """Take up what an earlier try has left."""
        self._file = self._places.part.open("a+b", buffering=0)
        self.origin = _read_origin(self._places.origin)
        if os.fstat(self._file.fileno()).st_size:
            self._take_up(self._file, step)

    def restart(self, origin: Origin | None) -> None:
        """Throw away what is here; what comes next comes from ``origin``."""
        if self.size:
            self._opened().truncate(0)
        self._digest = hashlib.sha256()
        self.size = 0
        self.borrowed = False
        self._note(origin)

    def write(self, block: bytes) -> None:
        """Add to the end."""
        left = memoryview(block)
        while left:
            left = left[self._opened().write(left) :]
        self._digest.update(block)
        self.size += len(block)

    def sha256(self) -> str:
        """Of all that is here."""
        return self._digest.hexdigest()

    def publish(self) -> None:
        """Give the file its name, all at once and for good, and note its hash beside it."""
        os.fsync(self._opened().fileno())
        self._places.part.replace(self._places.file)
        sync_folder(self._places.file.parent)
        write_record(self._places.record, self.sha256())

    def close(self) -> None:
        """What is here stays for the next try, if it is anything and still of use."""
        if self._file is None:
            return
        is_empty = not os.fstat(self._file.fileno()).st_size
        self._file.close()
        if is_empty or self._places.file.exists():
            self._places.part.unlink(missing_ok=True)
            self._places.origin.unlink(missing_ok=True)

    def _take_up(self, file: BinaryIO, step: Step) -> None:
        file.seek(0)
        for block in blocks(file, step):
            self._digest.update(block)
            self.size += len(block)

    def _opened(self) -> BinaryIO:
        assert self._file is not None  # noqa: S101  # open() comes first
        return self._file

    def _note(self, origin: Origin | None) -> None:
        self.origin = origin
        if origin is None:
            self._places.origin.unlink(missing_ok=True)
        else:
            self._places.origin.write_text(json.dumps(asdict(origin)), "utf-8")


def _read_origin(note: Path) -> Origin | None:
    """What the note says; one that was cut off by a crash says nothing."""
    try:
        return Origin(**json.loads(note.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None

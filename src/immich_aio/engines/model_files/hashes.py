"""SHA-256 of files, and the note beside a file of what it was.

The note has the form that ``sha256sum --check`` reads: the hash, two spaces, the file's name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

BLOCK = 1024 * 1024
"""Bytes read at once."""

SHA256 = re.compile(r"[0-9a-f]{64}")
"""How a SHA-256 is written."""

Step = Callable[[int], None]
"""Called with the number of bytes just dealt with; what it raises ends the work."""


def no_step(_count: int) -> None:
    """For callers who show no progress."""


def blocks(file: IO[bytes], step: Step = no_step) -> Iterator[bytes]:
    """The rest of an open file, piece by piece."""
    while block := file.read(BLOCK):
        yield block
        step(len(block))


def sha256_of(path: Path, step: Step = no_step) -> str:
    """The file's SHA-256 in lower-case hexadecimal. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in blocks(file, step):
            digest.update(block)
    return digest.hexdigest()


def read_record(record: Path) -> str | None:
    """The hash that was noted, or None where none was."""
    try:
        word = record.read_text("utf-8").partition(" ")[0]
    except (OSError, UnicodeDecodeError):
        return None
    return word if SHA256.fullmatch(word) else None


def write_record(record: Path, sha256: str) -> None:
    """Note the hash of the file that the record stands beside."""
    name = record.name.removesuffix(".sha256")
    record.write_text(f"{sha256}  {name}\n", "utf-8")

"""Documents of the text index: made from the lines of photos, off the event loop."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from immich_aio.store.text.folding import fold_apart
from immich_aio.store.text.grams import document_grams
from immich_aio.store.text.segmentation import Segmenter
from immich_aio.store.text.word_bits import word_bits

COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"
_COLUMNS = 7
_Folded = tuple[list[str], list[str]]
"""The lines of a photo, and what is joined of them."""
_INT4 = 23
"""PostgreSQL's number of the type int4."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What Immich has read on one photo."""

    asset_id: UUID
    text: str
    """The visible lines, divided by line breaks."""
    confidence: float
    """The mean score of the lines, weighted by their lengths."""
    signature: UUID
    """Of those lines: another one means that they have changed."""


@dataclass(frozen=True, slots=True)
class Document:
    """One row of the index."""

    reading: Reading
    folded: str
    words: str
    grams: list[int]
    word_bits: bytes

    def packed(self) -> bytes:
        """The row as COPY takes it in binary."""
        reading = self.reading
        fields = [
            reading.asset_id.bytes,
            self.folded.encode(),
            self.words.encode(),
            struct.pack(">f", reading.confidence),
            _packed_array(self.grams),
            reading.signature.bytes,
            self.word_bits,
        ]
        parts = [struct.pack(">h", _COLUMNS)]
        for field in fields:
            parts += [struct.pack(">i", len(field)), field]
        return b"".join(parts)


async def documents(readings: Sequence[Reading], segmenter: Segmenter) -> list[Document]:
    """The documents of those readings that have any text left when it is folded."""
    if not readings:
        return []
    folded = await asyncio.to_thread(_folded, readings)
    cut = await segmenter.words([line for lines, _ in folded for line in lines])
    return await asyncio.to_thread(_made, readings, folded, cut)


def _folded(readings: Sequence[Reading]) -> list[_Folded]:
    return [fold_apart(reading.text.split("\n")) for reading in readings]


def _made(
    readings: Sequence[Reading], folded: Sequence[_Folded], cut: Sequence[list[str]]
) -> list[Document]:
    words = iter(cut)
    made: list[Document] = []
    for reading, (lines, joined) in zip(readings, folded, strict=True):
        cut_lines = [f" {' '.join(next(words))} " for _ in lines]
        if joined:  # each is a word as it stands
            lines.append(" ".join(joined))
            cut_lines.append(f" {lines[-1]} ")
        if lines:
            made.append(_document(reading, "\n".join(lines), "\n".join(cut_lines)))
    return made


def _document(reading: Reading, folded: str, words: str) -> Document:
    distinct = set(words.replace("\n", " ").split(" ")) - {""}
    return Document(reading, folded, words, document_grams(folded), word_bits(distinct))


def _packed_array(numbers: Sequence[int]) -> bytes:
    """An array of int4 as PostgreSQL takes it in binary."""
    head = struct.pack(">iiiii", 1, 0, _INT4, len(numbers), 1)
    cells = np.empty((len(numbers), 2), ">i4")
    cells[:, 0] = 4
    cells[:, 1] = numbers
    return head + cells.tobytes()

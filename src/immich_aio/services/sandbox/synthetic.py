"""Made-up assets for benchmarks: the same ones for the same number, about as fast as PostgreSQL
takes rows.

One asset in five has text: about forty words in lines of eight, drawn by Zipf's law from a
vocabulary of Chinese and Latin words and numbers, so that some words stand in most texts and most
words in few. Vectors have 512 dimensions and lie in clusters.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection
from psycopg import sql as composed
from psycopg.rows import DictRow

from immich_aio.domain.immich import Shape
from immich_aio.domain.tokens import search_tokens
from immich_aio.services.sandbox.data import SQL, Data
from immich_aio.store.named_sql import NamedSql

SEED = 20260401
DIMENSIONS = 512
WITH_TEXT = 5
"""One asset in so many has text."""
WORDS = 40
LINE = 8
VOCABULARY = 30_000
ZIPF = (2.7, 1.07)
"""Mandelbrot's shift, and the exponent, as in natural language."""
SPREAD = 0.9
"""How far a vector lies from the centre of its cluster, as a share of the centre's length."""
BLOCK = 10_000
COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"
_CHARACTERS = (
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说"
    "产种面而方后多定行学法所民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使"
    "点从业本去把性好应开它合还因由其些然前外天政四日那社义事平形相全表间样与关各重新线内数正心反你明"
    "看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想已通并提直题党程展五果料"
    "象员革位入常文总次品式活设及管特件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运农指"
)
_SYLLABLES = [
    "ba",
    "co",
    "di",
    "fu",
    "ga",
    "he",
    "jo",
    "ka",
    "lu",
    "mi",
    "no",
    "pe",
    "ra",
    "so",
    "ta",
    "vo",
    "we",
    "zi",
]


@dataclass(frozen=True, slots=True)
class Made:
    """What was made, and in which time (in seconds)."""

    assets: int
    rows: int
    copying: float
    indexing: float

    def __str__(self) -> str:
        """In words for people."""
        speed = self.rows / self.copying
        return (
            f"{self.assets:,} assets, {self.rows:,} rows in {self.copying:.1f} s "
            f"({speed:,.0f} rows/s); their indexes in {self.indexing:.1f} s."
        )


async def fill_synthetic(
    data: Data, owner_id: UUID, count: int, advance: Callable[[int], None]
) -> Made | None:
    """Make so many assets of that owner, all or none; None if they were made before.

    ``advance`` is told how many more assets are copied.
    """
    maker = _Maker(data, owner_id, count, advance)
    async with data.database.connection() as connection:
        async with connection.transaction():
            made = await maker.make(connection)
        if made is not None:
            await connection.execute(maker.sql["analyze"])
    return made


class _Maker:
    def __init__(
        self, data: Data, owner_id: UUID, count: int, advance: Callable[[int], None]
    ) -> None:
        self.sql = NamedSql(SQL / "synthetic.sql", data.shape)
        self._old = data.shape is Shape.V2_2
        self._owner_id = owner_id
        self._count = count
        self._advance = advance
        self._rows = 0

    async def make(self, connection: AsyncConnection[DictRow]) -> Made | None:
        began = time.monotonic()
        if await (await connection.execute(self.sql["is_made"])).fetchone():
            return None
        await connection.execute(self.sql["no_triggers"])
        indexes = await (await connection.execute(self.sql["secondary_indexes"])).fetchall()
        for index in indexes:
            await connection.execute(composed.SQL(index["drop"]))
        ids = _ids(self._count)
        await self._copy_assets(connection, ids)
        await self._copy_texts(connection, ids)
        await self._copy_vectors(connection, ids)
        copied = time.monotonic()
        await connection.execute(self.sql["big_memory"])
        for index in indexes:
            await connection.execute(composed.SQL(index["definition"]))
        await connection.execute(self.sql["mark_made"], {"count": self._count})
        now = time.monotonic()
        return Made(self._count, self._rows, copied - began, now - copied)

    async def _copy_assets(
        self, connection: AsyncConnection[DictRow], ids: NDArray[np.uint8]
    ) -> None:
        await connection.execute(self.sql["make_ids"])
        numbers = np.arange(1, len(ids) + 1, dtype=">i4")
        rows = _binary_rows([numbers[:, None].view(np.uint8).reshape(len(ids), 4), ids])
        await self._copy(connection, "copy_ids", [COPY_HEAD, rows, COPY_END])
        parameters = {"owner_id": self._owner_id, "count": self._count}
        for statement in ("add_assets", "add_exif", "add_status"):
            self._rows += (await connection.execute(self.sql[statement], parameters)).rowcount

    async def _copy_vectors(
        self, connection: AsyncConnection[DictRow], ids: NDArray[np.uint8]
    ) -> None:
        async with connection.cursor().copy(self.sql["copy_vectors"]) as copy:
            await copy.write(COPY_HEAD)
            for start, vectors in _vectors(len(ids)):
                await copy.write(_binary_rows([ids[start : start + len(vectors)], vectors]))
                self._advance(len(vectors))
            await copy.write(COPY_END)
        self._rows += len(ids)

    async def _copy_texts(
        self, connection: AsyncConnection[DictRow], ids: NDArray[np.uint8]
    ) -> None:
        """Lines first, then what is searched: one connection carries one COPY at a time."""
        names = [str(UUID(bytes=bytes(one))) for one in ids[::WITH_TEXT]]
        texts = list(_texts(len(names)))
        lines = (
            f"{name}\t{_place(number)}\t0.95\t0.97\t{line}\n"
            for name, text in zip(names, texts, strict=True)
            for number, line in enumerate(text)
        )
        self._rows += sum(map(len, texts)) + len(texts)
        await self._copy(connection, "copy_lines", _blocks(lines))
        searched = (
            f"{name}\t{self._searched(text)}\n" for name, text in zip(names, texts, strict=True)
        )
        await self._copy(connection, "copy_search", _blocks(searched))

    def _searched(self, lines: list[str]) -> str:
        return " ".join(lines) if self._old else " ".join(map(search_tokens, lines))

    async def _copy(
        self,
        connection: AsyncConnection[DictRow],
        statement: str,
        blocks: Iterator[bytes] | list[bytes],
    ) -> None:
        async with connection.cursor().copy(self.sql[statement]) as copy:
            for block in blocks:
                await copy.write(block)


def _ids(count: int) -> NDArray[np.uint8]:
    """So many UUIDs of version 4, of shape (count, 16)."""
    ids = np.random.default_rng(SEED).integers(0, 256, (count, 16), np.uint8)
    ids[:, 6] = ids[:, 6] & 0x0F | 0x40
    ids[:, 8] = ids[:, 8] & 0x3F | 0x80
    return ids


def _binary_rows(columns: list[NDArray[np.uint8]]) -> bytes:
    """Rows as COPY takes them in binary; each column has shape (rows, bytes)."""
    rows = len(columns[0])
    parts = [np.tile(np.frombuffer(len(columns).to_bytes(2, "big"), np.uint8), (rows, 1))]
    for column in columns:
        size = column.shape[1].to_bytes(4, "big")
        parts += [np.tile(np.frombuffer(size, np.uint8), (rows, 1)), column]
    return np.hstack(parts).tobytes()


def _vectors(count: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Unit vectors as pgvector takes them in binary, by blocks, and where each block begins."""
    random = np.random.default_rng(SEED + 1)
    clusters = max(16, min(2000, count // 200))
    centres = random.standard_normal((clusters, DIMENSIONS), np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    head = np.frombuffer(DIMENSIONS.to_bytes(2, "big") + bytes(2), np.uint8)
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        noise = random.standard_normal((size, DIMENSIONS), np.float32)
        vectors = centres[random.integers(0, clusters, size)] + noise * SPREAD / DIMENSIONS**0.5
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        numbers = vectors.astype(">f4").view(np.uint8).reshape(size, DIMENSIONS * 4)
        yield start, np.hstack([np.tile(head, (size, 1)), numbers])


def vocabulary() -> list[str]:
    """All words, the most frequent first: half of them Chinese, the rest Latin and numbers."""
    random = np.random.default_rng(SEED + 2)
    characters = np.array(list(_CHARACTERS))
    latin = ["".join(parts) for parts in itertools.product(_SYLLABLES, repeat=3)]
    drawn = zip(
        random.random(VOCABULARY * 2),
        characters[random.integers(0, len(characters), (VOCABULARY * 2, 3))],
        random.integers(2, 4, VOCABULARY * 2),
        random.integers(1000, 10**8, VOCABULARY * 2),
        strict=True,
    )
    words: dict[str, None] = {}
    for kind, chinese, length, number in drawn:
        if kind < 0.5:
            words["".join(chinese[:length])] = None
        else:
            words[latin[number % len(latin)] if kind < 0.85 else str(number)] = None
    return list(words)[:VOCABULARY]


def _texts(count: int) -> Iterator[list[str]]:
    """So many texts, in lines."""
    random = np.random.default_rng(SEED + 3)
    words = vocabulary()
    shift, exponent = ZIPF
    weights = np.cumsum(1 / (np.arange(len(words)) + shift) ** exponent)
    weights /= weights[-1]
    for start in range(0, count, BLOCK):
        lengths = random.poisson(WORDS, min(BLOCK, count - start)).clip(1)
        drawn = np.searchsorted(weights, random.random(int(lengths.sum())))
        ends = np.cumsum(lengths)
        for begin, end in zip(ends - lengths, ends, strict=True):
            text = [words[index] for index in drawn[begin:end]]
            yield [_line(text[at : at + LINE]) for at in range(0, len(text), LINE)]


def _line(words: list[str]) -> str:
    """Words as they are written: Chinese without spaces, others with."""
    line = ""
    for word in words:
        apart = bool(line) and (line[-1].isascii() or word[0].isascii())
        line += " " + word if apart else word
    return line


def _place(number: int) -> str:
    """The corners of a line on its photo."""
    top = min(0.05 + number * 0.08, 0.9)
    corners = (0.1, top, 0.9, top, 0.9, top + 0.06, 0.1, top + 0.06)
    return "\t".join(f"{value:.2f}" for value in corners)


def _blocks(lines: Iterator[str]) -> Iterator[bytes]:
    while block := "".join(itertools.islice(lines, BLOCK)):
        yield block.encode()

"""Words of folded lines: cut by zhparser inside PostgreSQL where it has that, by rjieba elsewhere.

The words only rank: whatever they are, every part of a word is found by its grams.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import import_module, resources
from importlib.util import find_spec
from typing import Literal, Protocol

from immich_aio.domain.immich import Shape
from immich_aio.errors import UnavailableError
from immich_aio.store.database import Database
from immich_aio.store.named_sql import NamedSql
from immich_aio.store.text.scripts import CJK, HAN, HANGUL, KANA

if find_spec("rjieba") is None:  # who cannot cut should know it at the start
    raise ImportError("No module named 'rjieba'", name="rjieba")

Wish = Literal["auto", "rjieba", "zhparser"]

_HAS_HAN = re.compile(f"[{HAN}]")
AT_ONCE = 200
"""Letters that are cut faster than another thread is begun."""
_WHOLE = re.compile(rf"[^\s{CJK}]+|[{KANA}]+|[{HANGUL}]+")
"""Runs that are words as they stand."""
_SQL = NamedSql(resources.files(__package__) / "segmentation.sql", Shape.V3_1)


class Segmenter(Protocol):
    """What cuts folded lines into words."""

    name: str
    """Under which the index remembers it."""

    async def words(self, folded: Sequence[str]) -> list[list[str]]:
        """The distinct words of each line, with the parts of longer words among them."""
        ...


class JiebaSegmenter:
    """Our own, which needs nothing of the server."""

    name = "rjieba"

    async def words(self, folded: Sequence[str]) -> list[list[str]]:
        """Cut on another thread, unless it is little and the dictionary is there."""
        if _cutter.cache_info().currsize and sum(map(len, folded)) <= AT_ONCE:
            return [_cut(line) for line in folded]
        return await asyncio.to_thread(lambda: [_cut(line) for line in folded])


class ZhparserSegmenter:
    """The extension zhparser of the database; no configuration of text search is made or used."""

    name = "zhparser"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def words(self, folded: Sequence[str]) -> list[list[str]]:
        """Cut in one round trip."""
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute(_SQL["part_words_too"])
            await connection.execute(_SQL["parts_of_two_too"])
            cursor = await connection.execute(_SQL["parse"], {"lines": list(folded)})
            rows = await cursor.fetchall()
        return [_with_whole(line, row["tokens"]) for line, row in zip(folded, rows, strict=True)]


async def choose_segmenter(database: Database, wished: Wish) -> Segmenter:
    """The segmenter that was wished for. Raises UnavailableError where the server does not have it.

    ``auto`` stays with the one that the index was made by, for a change means making it anew; for
    a new index it takes zhparser where the server has it.
    """
    if wished == "rjieba":
        return JiebaSegmenter()
    has_zhparser = await database.row(_SQL["has_zhparser"]) is not None
    if wished == "zhparser" and not has_zhparser:
        raise UnavailableError(
            "SEARCH_SEGMENTER is zhparser, and Immich's database does not have that extension. "
            "Install it there (CREATE EXTENSION zhparser), or set SEARCH_SEGMENTER to auto."
        )
    if wished == "auto" and await _made_by(database) == JiebaSegmenter.name:
        return JiebaSegmenter()
    return ZhparserSegmenter(database) if has_zhparser else JiebaSegmenter()


async def _made_by(database: Database) -> str | None:
    """By which one the index was made, if there is an index."""
    there = await database.row(_SQL["has_index"])
    if there is None:
        return None
    row = await database.row(_SQL["made_by"])
    return None if row is None else row["segmenter"]


@cache
def _cutter() -> Callable[[str], list[str]]:
    """Load rjieba: its dictionary takes 30 MB, which whoever cuts nothing is spared."""
    cut: Callable[[str], list[str]] = import_module("rjieba").cut_for_search
    return cut


def _cut(line: str) -> list[str]:
    """A line in rjieba's search mode: longer words, and the words in them."""
    tokens = _cutter()(line) if _HAS_HAN.search(line) else ()
    return _with_whole(line, tokens)


def _with_whole(line: str, tokens: Iterable[str]) -> list[str]:
    """The tokens with a Han character in them, and every run of another script whole."""
    words = dict.fromkeys(token for token in tokens if _HAS_HAN.search(token))
    words.update(dict.fromkeys(_WHOLE.findall(line)))
    return list(words)

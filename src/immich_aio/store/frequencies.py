"""In how many texts a word occurs, and how many texts and assets there are.

Up to a bound it is counted; beyond, PostgreSQL's statistics of the grams say it well enough.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from importlib import resources
from typing import LiteralString

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from immich_aio.domain.immich import Shape
from immich_aio.domain.search_plan import COUNTED, Frequencies
from immich_aio.domain.text_query import Needle, TextQuery
from immich_aio.store.meaning_index import DIMENSIONS
from immich_aio.store.named_sql import NamedSql
from immich_aio.store.text.folding import FORMAT
from immich_aio.store.text.grams import is_cjk, query_grams
from immich_aio.store.text_match import needle_grams

FRESH = 60.0
"""Seconds for which the size of the library and the statistics are good."""
_SQL = NamedSql(resources.files(__package__) / "frequencies.sql", Shape.V3_1)
_SIZES = _SQL["sizes"].format(meaning_dimensions=DIMENSIONS)


@dataclass(slots=True)
class _Sizes:
    documents: int
    assets: int
    meaning_dimensions: int | None
    in_halves: bool
    frequent: dict[int, float]
    """The share of texts by gram, of the most frequent ones."""
    read_at: float = field(default_factory=time.monotonic)

    def with_cjk(self, text: str) -> int:
        """How many texts may have a text of CJK characters alone; 0 where that is not known."""
        if not all(map(is_cjk, text)):  # there are no grams of others over the ends of words
            return 0
        return int(min(self.frequent.get(gram, 0.0) for gram in query_grams(text)) * self.documents)


class FrequencyReader:
    """Reads frequencies, and remembers the library's size for a while."""

    def __init__(self, dimensions: int) -> None:
        """``dimensions`` is the length of a CLIP vector."""
        self._dimensions = dimensions
        self._sizes: _Sizes | None = None

    async def assets(self, connection: AsyncConnection[DictRow]) -> int:
        """How many assets have a vector, roughly."""
        return (await self._read(connection)).assets

    async def of(self, connection: AsyncConnection[DictRow], query: TextQuery) -> Frequencies:
        """How many texts have each of the words."""
        sizes = await self._read(connection)
        needles = [needle for needles in query.conditions for needle in needles]
        counts = await self._counts(connection, needles, sizes)
        by_condition = tuple(
            min(sum(counts[needle] for needle in one), max(sizes.documents, 1))
            for one in query.conditions
        )
        by_meaning = sizes.meaning_dimensions == self._dimensions
        in_a_row = sizes.with_cjk(query.phrase) if query.phrase else 0
        return Frequencies(sizes.documents, by_condition, by_meaning, in_a_row, sizes.in_halves)

    def is_frequent(self, grams: list[int]) -> bool:
        """Whether more texts have these grams than are worth looking at for a misread word."""
        if self._sizes is None:
            return False
        shares = [self._sizes.frequent.get(gram) for gram in grams]
        known = [share for share in shares if share is not None]
        return len(known) == len(shares) and min(known) * self._sizes.documents > COUNTED / 2

    async def _counts(
        self, connection: AsyncConnection[DictRow], needles: list[Needle], sizes: _Sizes
    ) -> dict[Needle, int]:
        counts: dict[Needle, int] = {}
        rarer: dict[Needle, float | None] = {}
        for needle in needles:
            known = [sizes.frequent.get(gram) for gram in needle_grams(needle)]
            least = min((share for share in known if share is not None), default=None)
            if None not in known and least is not None and least * sizes.documents > 2 * COUNTED:
                counts[needle] = int(least * sizes.documents)
            else:
                rarer[needle] = least
        for needle, count in (await _counted(connection, list(rarer))).items():
            least = rarer[needle]
            if count > COUNTED and least is not None:
                count = max(COUNTED, int(least * sizes.documents / 2))  # noqa: PLW2901  # better
            counts[needle] = count
        return counts

    async def _read(self, connection: AsyncConnection[DictRow]) -> _Sizes:
        if self._sizes is None or time.monotonic() - self._sizes.read_at > FRESH:
            row = await (await connection.execute(_SIZES)).fetchone()
            if row is None:
                return _Sizes(0, 0, None, in_halves=False, frequent={})
            frequent = dict(zip(row["grams"] or [], row["shares"] or [], strict=False))
            self._sizes = _Sizes(
                row["documents"],
                row["assets"],
                row["meaning_dimensions"],
                row["format"] == FORMAT,
                frequent,
            )
        return self._sizes


async def _counted(
    connection: AsyncConnection[DictRow], needles: list[Needle]
) -> dict[Needle, int]:
    """In how many texts each needle's grams are, counted up to the bound, in one round trip."""
    if not needles:
        return {}
    one, numbers = _SQL["count"], range(len(needles))
    columns = [one.replace("%(grams)s", f"%(grams_{number})s") for number in numbers]
    sql: LiteralString = ", ".join(
        f"({column}) AS n{number}" for number, column in enumerate(columns)
    )
    grams = {f"grams_{number}": needle_grams(needle) for number, needle in enumerate(needles)}
    cursor = await connection.execute("SELECT " + sql, {**grams, "limit": COUNTED + 1})
    row = await cursor.fetchone()
    return {} if row is None else {needles[number]: row[f"n{number}"] for number in numbers}

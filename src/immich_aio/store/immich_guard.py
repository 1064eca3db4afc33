"""The guard over Immich's tables: they are searched only where they are as we know them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from immich_aio.domain.immich import Shape
from immich_aio.errors import UnavailableError
from immich_aio.store.database import Database
from immich_aio.store.immich_columns import Columns, required_columns
from immich_aio.store.named_sql import NamedSql

VectorIndex = Literal["hnsw", "vchordrq"]
_SQL = NamedSql(resources.files(__package__) / "immich_guard.sql", Shape.V3_1)
_NAMED = 6
"""So many faults are named in a message; the rest is counted."""


@dataclass(frozen=True, slots=True)
class ImmichTables:
    """What Immich's database is like, as far as searching it depends on that."""

    shape: Shape
    dimensions: int
    """The length of a CLIP vector."""
    vector_index: VectorIndex | None
    """The kind of index over the vectors; None where there is none, or one of another kind."""
    iterative_scan: bool
    """Whether pgvector (0.8 and newer) can go on in its index where filters leave too few."""
    half_vectors: bool
    """Whether pgvector (0.7 and newer) has vectors of half precision."""
    has_trigrams: bool
    """Whether Immich's fuzzy text match works here."""
    has_ocr_update_id: bool
    """Whether lines of text carry a number that grows."""


async def immich_tables(database: Database) -> ImmichTables:
    """Look at the tables. Raises UnavailableError naming what is missing or of another type."""
    wanted = [list(required_columns(shape)) for shape in Shape]
    names = sorted({name for tables in wanted for name in tables})
    rows = await database.rows(_SQL["columns"], tables=names)
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["table"], {})[row["column"]] = row["type"]
    shape = _shape(found)
    about = await database.row(_SQL["about"])
    if about is None:
        raise _unknown(["what extensions it has"])
    return ImmichTables(
        shape=shape,
        dimensions=_dimensions(found["smart_search"]["embedding"]),
        vector_index=_vector_index(about),
        iterative_scan=_version(about["vector"]) >= (0, 8),
        half_vectors=_version(about["vector"]) >= (0, 7),
        has_trigrams=about["has_trigrams"],
        has_ocr_update_id="updateId" in found["asset_ocr"],
    )


def _shape(found: Columns) -> Shape:
    """The shape that has everything it needs."""
    if not found:
        raise UnavailableError(
            "This database has none of Immich's tables, so search stays off. Check "
            "DB_DATABASE_NAME (or the end of DB_URL): Immich's own is named immich by default."
        )
    faults = {shape: _faults(found, required_columns(shape)) for shape in Shape}
    for shape in reversed(Shape):
        if not faults[shape]:
            return shape
    raise _unknown(min(faults.values(), key=len))


def _faults(found: Columns, wanted: Columns) -> list[str]:
    faults: list[str] = []
    for table, columns in wanted.items():
        if table not in found:
            faults.append(f"table {table} is missing")
            continue
        for column, kinds in columns.items():
            kind = found[table].get(column)
            if kind is None:
                faults.append(f'{table}."{column}" is missing')
            elif not _fits(kind, kinds):
                faults.append(f'{table}."{column}" is {kind} instead of {kinds.split("|")[0]}')
    return faults


def _fits(kind: str, kinds: str) -> bool:
    return _dimensions(kind) > 0 if kinds == "vector(n)" else kind in kinds.split("|")


def _unknown(faults: list[str]) -> UnavailableError:
    more = f", and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    return UnavailableError(
        "Immich's database is not as this version knows it (Immich 2.2 and 3.1): "
        f"{', '.join(faults[:_NAMED])}{more}. Search stays off, and Immich answers as ever; a "
        "newer version of immich-aio may know this Immich."
    )


def _dimensions(kind: str) -> int:
    """The length in ``vector(512)``; 0 for any other type."""
    written = re.fullmatch(r"(?:\w+\.)?vector\((\d+)\)", kind)
    return int(written[1]) if written else 0


def _vector_index(about: Mapping[str, Any]) -> VectorIndex | None:
    kinds = about["vector_indexes"]
    if "vchordrq" in kinds:
        return "vchordrq"
    return "hnsw" if "hnsw" in kinds else None


def _version(written: str | None) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", written or ""))

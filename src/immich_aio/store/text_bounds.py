"""Bounds what texts score, by one connection or by two that share them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from immich_aio.store.outline import Outline
from immich_aio.store.search_reader import SearchReader
from immich_aio.store.search_statements import Statements
from immich_aio.store.side_by_side import side_by_side
from immich_aio.store.text.grams import HALVES


async def outline(
    readers: Sequence[SearchReader],
    statements: Statements,
    name: str,
    vector: str | None,
    first: int,
) -> Outline:
    """The first so many texts by their bounds, as the statement of that name tells them.

    Of two readers each looks through a half.
    """
    if len(readers) == 1:
        (reader,) = readers
        return Outline.of([await reader.bounds(statements[name], vector, first)], first)
    of_half = replace(statements, in_half=True)[name]
    one, other = (
        reader.bounds(of_half, vector, first, half)
        for reader, half in zip(readers, HALVES, strict=True)
    )
    return Outline.of(await side_by_side(one, other), first)

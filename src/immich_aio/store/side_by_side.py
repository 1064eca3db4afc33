"""Two parts of a search at once, each over a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

V = TypeVar("V")
W = TypeVar("W")


async def side_by_side(one: Coroutine[Any, Any, V], other: Coroutine[Any, Any, W]) -> tuple[V, W]:
    """Both; where one fails the other is ended first, for it may need what is given back then."""
    beside = asyncio.ensure_future(other)
    try:
        return await one, await beside
    except BaseException:
        beside.cancel()
        await asyncio.gather(beside, return_exceptions=True)
        raise

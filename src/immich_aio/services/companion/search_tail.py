"""Results without the meaning of a query: photos with its words first, then what Immich finds.

Immich's page may have photos that stood among the first; they are left out, so that nothing comes
twice. Such a page is shorter than others, and the next goes on after it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from immich_aio.errors import AioError
from immich_aio.services.companion.caller import Caller
from immich_aio.services.companion.parity import Item, items_of
from immich_aio.services.companion.search_asked import Kind
from immich_aio.upstream.immich_api import ImmichApi

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Slice:
    """Some results of Immich's, and whether there are more."""

    items: Sequence[Item] = ()
    has_more: bool = False


class Tail:
    """Asks Immich's own smart search, for ``seconds`` at most."""

    def __init__(self, api: ImmichApi, seconds: float) -> None:
        self._api = api
        self._seconds = seconds

    async def part(
        self, body: Mapping[str, Any], caller: Caller, start: int, count: int, size: int
    ) -> Slice:
        """So many of Immich's results from there on, by pages of ``size``.

        ``body`` is what is searched. None where Immich does not answer, as it does not where it
        cannot make a vector either.
        """
        first = start // size
        pages = range(first, (start + count - 1) // size + 1)
        try:
            async with asyncio.timeout(self._seconds):
                replies = await asyncio.gather(
                    *(self._page(body, caller, page + 1, size) for page in pages)
                )
        except (AioError, TimeoutError) as error:
            _LOG.warning("Immich's own smart search gives nothing: %r", error)
            return Slice()
        items = [item for reply in replies for item in items_of(reply)]
        begin = start - first * size
        more = len(items) > begin + count or replies[-1]["assets"].get("nextPage") is not None
        return Slice(items[begin : begin + count], more)

    async def _page(
        self, body: Mapping[str, Any], caller: Caller, page: int, size: int
    ) -> Mapping[str, Any]:
        asked = dict(body) | {"page": page, "size": size}
        reply = await self._api.post(Kind.SMART.value, asked, caller.credentials)
        return await self._api.read(reply, Kind.SMART.value)

"""The assets of a page of results: as we write them where that is proven, else as Immich does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from psycopg.rows import DictRow

from immich_aio.domain.asset_search import AssetSearch
from immich_aio.domain.immich import Shape
from immich_aio.services.companion.caller import Caller
from immich_aio.services.companion.parity import Group, Item, Parity, group_of, items_of
from immich_aio.services.companion.search_asked import Kind
from immich_aio.services.companion.searching import Found
from immich_aio.upstream.immich_api import ImmichApi
from immich_aio.wire.immich_api.assets import asset_reply

AT_ONCE = 8
"""Assets that Immich is asked for side by side."""


class Items:
    """Writes assets, or asks Immich for them."""

    def __init__(self, api: ImmichApi, parity: Parity) -> None:
        self._api = api
        self._parity = parity

    async def of(self, kind: Kind, search: AssetSearch, caller: Caller, found: Found) -> list[Item]:
        """The page's assets in its order, without those that the caller may no longer see.

        Raises UpstreamError or TimeoutExceededError where Immich is needed and does not answer.
        """
        rows = await found.rows(search)
        shape = found.parts.tables.shape
        groups = [group_of(row) for row in rows]
        ours = frozenset[Group]()
        if rows and not _has_people(search, shape):
            examples = dict(zip(groups, rows, strict=True))
            ours = await self._parity.trusted(kind, search, caller, found, examples)
        items = {
            row["id"]: asset_reply(row, caller.user_id, shape)
            for row, group in zip(rows, groups, strict=True)
            if group in ours
        }
        items |= await self._asked(search, caller, [row for row in rows if row["id"] not in items])
        return [items[hit.asset_id] for hit in found.page.hits if hit.asset_id in items]

    async def _asked(
        self, search: AssetSearch, caller: Caller, rows: Sequence[DictRow]
    ) -> dict[UUID, Item]:
        """Ask Immich for these one by one, a few side by side."""
        places = asyncio.Semaphore(AT_ONCE)

        async def one(asset_id: UUID) -> tuple[UUID, list[Item]]:
            async with places:
                return asset_id, await self._item(search, caller, asset_id)

        found = await asyncio.gather(*(one(row["id"]) for row in rows))
        return {asset_id: items[0] for asset_id, items in found if items}

    async def _item(self, search: AssetSearch, caller: Caller, asset_id: UUID) -> list[Item]:
        filters, path = search.filters, Kind.METADATA.value
        body: Item = {"id": str(asset_id), "size": 1, "withDeleted": True}
        body |= {"withExif": search.with_exif, "withPeople": search.with_people}
        if filters.visibility is not None:
            body["visibility"] = filters.visibility.value
        if filters.person_ids:
            body["personIds"] = [str(person) for person in filters.person_ids]
        reply = await self._api.post(path, body, caller.credentials)
        return items_of(await self._api.read(reply, path))


def _has_people(search: AssetSearch, shape: Shape) -> bool:
    """Whether faces are part of the reply, which no sample has shown to be as ours."""
    return search.with_people or (shape is Shape.V2_2 and bool(search.filters.person_ids))

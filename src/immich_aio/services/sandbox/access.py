"""Which assets and albums a caller may touch, by Immich's rules."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from immich_aio.domain.asset_search import SearchScope
from immich_aio.domain.immich import Shape, Visibility
from immich_aio.services.sandbox.caller import Caller
from immich_aio.services.sandbox.data import Data
from immich_aio.wire.immich_api.errors import bad_request, unauthorized

READ = ("asset.read", "asset.view", "asset.download")


class Access:
    """Checks against the database. Nobody learns whether something exists that is not theirs."""

    def __init__(self, data: Data) -> None:
        self._data = data

    async def require_assets(self, caller: Caller, permission: str, ids: Iterable[UUID]) -> None:
        """Raises ImmichHttpError (400) unless the caller may do that with every one of them."""
        wanted = set(ids)
        if await self._assets(caller, permission, wanted) != wanted:
            raise bad_request(f"Not found or no {permission} access")

    async def require_albums(self, caller: Caller, ids: Iterable[UUID]) -> None:
        """Raises ImmichHttpError (400) unless the caller may see every one of them."""
        wanted = set(ids)
        if caller.link is not None:
            rows = await self._data.rows("link_albums", link_id=caller.link.id, ids=list(wanted))
        else:
            rows = await self._data.rows(
                "readable_albums", user_id=caller.user_id, ids=list(wanted)
            )
        if {row["id"] for row in rows} != wanted:
            raise bad_request("Not found or no album.read access")

    async def scope(self, caller: Caller, visibility: Visibility | None) -> SearchScope:
        """Whose assets a search looks at: the caller's, and those of partners in their timeline."""
        # Before 3.x partners were searched for locked assets as well.
        if visibility is Visibility.LOCKED and self._data.shape is not Shape.V2_2:
            return SearchScope((caller.user_id,), caller.elevated)
        partners = await self._data.rows("timeline_partner_ids", user_id=caller.user_id)
        return SearchScope((caller.user_id, *(row["id"] for row in partners)), caller.elevated)

    async def _assets(self, caller: Caller, permission: str, wanted: set[UUID]) -> set[UUID]:
        ids = list(wanted)
        if caller.link is not None:
            if permission == "asset.download" and not caller.link.allow_download:
                return set()
            if permission not in READ:
                return set()
            return await self._ids("link_assets", link_id=caller.link.id, ids=ids)
        user = caller.user_id
        found = await self._ids("own_assets", user_id=user, ids=ids, elevated=caller.elevated)
        if permission in READ:
            found |= await self._ids("album_assets", user_id=user, ids=ids)
            found |= await self._ids("partner_assets", user_id=user, ids=ids)
        return found

    async def _ids(self, query: str, **parameters: object) -> set[UUID]:
        return {row["id"] for row in await self._data.rows(query, **parameters)}


def require_elevated(caller: Caller) -> None:
    """Raises ImmichHttpError (401) unless the session was unlocked with the PIN."""
    if not caller.elevated:
        raise unauthorized("Elevated permission is required")

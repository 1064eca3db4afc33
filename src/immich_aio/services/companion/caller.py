"""Who asks: what Immich itself says of the credentials, remembered for seconds.

Immich is asked three things side by side: ``/users/me`` tells who it is, ``/api-keys/me`` what a
key may do (a session is refused there), ``/auth/status`` whether a session may see locked photos.
So whatever order Immich has among cookies, tokens, keys and links, it is followed.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from immich_aio.errors import UpstreamError
from immich_aio.services.companion.asked import Asked
from immich_aio.upstream.http import HttpReply
from immich_aio.upstream.immich_api import Credentials, ImmichApi

FRESH = 5.0
"""Seconds for which what Immich said of somebody is believed."""
REMEMBERED = 1000
ALL = "all"
REFUSED = (400, 401, 403)
OwnerOfKey = Callable[[UUID], Awaitable[UUID | None]]


@dataclass(frozen=True, slots=True)
class Caller:
    """A user of Immich whose request is at hand, and what they may do with it."""

    user_id: UUID
    is_admin: bool
    elevated: bool
    """Whether the session was unlocked with the PIN, so that locked photos may be seen."""
    permissions: frozenset[str] | None
    """Those of an API key; None where it is a session, which may do everything."""
    credentials: Credentials = field(repr=False)
    """To ask Immich in their name."""

    def may(self, permission: str) -> bool:
        """Whether that is granted."""
        return self.permissions is None or bool(self.permissions & {ALL, permission})


class Callers:
    """Finds out who asks.

    ``owner_of_key`` tells whose an API key is that Immich knows but which may not ask whose it is.
    """

    def __init__(self, api: ImmichApi, owner_of_key: OwnerOfKey | None = None) -> None:
        self._api = api
        self._owner_of_key = owner_of_key
        self._known: OrderedDict[Credentials, tuple[float, Caller]] = OrderedDict()

    async def of(self, asked: Asked) -> Caller | None:
        """Who sent a request; None where Immich knows nobody by that, or only a shared link.

        What is said to them then is for Immich to say. Raises UpstreamError or
        TimeoutExceededError where Immich does not answer, and BadInputError for an address that
        cannot be passed on.
        """
        return await self.known_by(credentials_of(asked))

    async def known_by(self, credentials: Credentials) -> Caller | None:
        """As ``of``, by credentials."""
        if credentials.is_empty:
            return None
        known = self._known.get(credentials)
        if known is not None and time.monotonic() - known[0] <= FRESH:
            return known[1]
        return await self.asked_anew(credentials)

    async def asked_anew(self, credentials: Credentials) -> Caller | None:
        """As ``known_by``, but Immich is asked whatever is remembered: for what is done seldom."""
        began = time.monotonic()
        caller = await self._asked(credentials)
        self._known.pop(credentials, None)
        # An unlocked session may be locked again at any moment, so of that nothing is kept.
        if caller is not None and not caller.elevated:
            self._known[credentials] = (began, caller)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return caller

    async def _asked(self, credentials: Credentials) -> Caller | None:
        me, key, status = await asyncio.gather(
            self._api.get("/api/users/me", credentials),
            self._api.get("/api/api-keys/me", credentials),
            self._api.get("/api/auth/status", credentials),
        )
        if key.status == 200:
            return await self._with_key(credentials, me, key)
        user, session = await self._told(me, "users/me"), await self._told(status, "auth/status")
        refused = await self._told(key, "api-keys/me")
        if user is None or session is None or refused is not None:
            return None
        elevated = session.get("isElevated") is True
        return Caller(_id(user), user.get("isAdmin") is True, elevated, None, credentials)

    async def _with_key(
        self, credentials: Credentials, me: HttpReply, key: HttpReply
    ) -> Caller | None:
        """Somebody by an API key, which never shows what is locked."""
        about = await self._api.read(key, "/api/api-keys/me")
        permissions = about.get("permissions")
        if not isinstance(permissions, list):
            raise UpstreamError("Immich told no permissions of an API key.")
        granted = frozenset(map(str, permissions))
        if (user := await self._told(me, "users/me")) is not None:
            is_admin = user.get("isAdmin") is True
            return Caller(
                _id(user), is_admin, elevated=False, permissions=granted, credentials=credentials
            )
        owner = await self._owner_of_key(_id(about)) if self._owner_of_key else None
        if owner is None:
            return None
        return Caller(
            owner, is_admin=False, elevated=False, permissions=granted, credentials=credentials
        )

    async def _told(self, reply: HttpReply, path: str) -> Mapping[str, Any] | None:
        """What was answered; None where it was refused."""
        if reply.status in REFUSED:
            return None
        return await self._api.read(reply, f"/api/{path}")


def credentials_of(asked: Asked) -> Credentials:
    """What a request has for Immich to know its caller by. Raises BadInputError."""
    return Credentials.of(asked.headers.items(), asked.target.partition("?")[2])


def _id(record: Mapping[str, Any]) -> UUID:
    try:
        return UUID(record["id"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UpstreamError("Immich told of somebody without an id.") from None

"""Who is calling, found out as Immich does and refused in its words."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from psycopg.rows import DictRow
from starlette.requests import Request

from immich_aio.services.sandbox.data import Data
from immich_aio.wire.immich_api.errors import forbidden, unauthorized

ALL = "all"
ACCESS_COOKIE = "immich_access_token"


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may use an endpoint. ``permission`` is what an API key needs; None is nothing."""

    permission: str | None = ALL
    admin: bool = False
    shared_link: bool = False


@dataclass(frozen=True, slots=True)
class SharedLink:
    """What a shared link allows."""

    id: UUID
    show_exif: bool
    allow_upload: bool
    allow_download: bool


@dataclass(frozen=True, slots=True)
class Caller:
    """A user, and by what they were known: a session, an API key or a shared link."""

    user_id: UUID
    is_admin: bool
    session_id: UUID | None = None
    elevated: bool = False
    key_id: UUID | None = None
    permissions: frozenset[str] = frozenset()
    link: SharedLink | None = None

    def has(self, permission: str) -> bool:
        """Whether that is granted; only API keys are granted less than everything."""
        return self.key_id is None or bool(self.permissions & {ALL, permission})


class Doorman:
    """Finds out who sent a request."""

    def __init__(self, data: Data) -> None:
        self._data = data

    async def admit(self, request: Request, rule: Rule) -> Caller:
        """The caller, if the rule lets them in. Raises ImmichHttpError (401, 403)."""
        caller = await self.identify(request)
        if rule.admin and not caller.is_admin:
            raise forbidden()
        if caller.link is not None and not rule.shared_link:
            raise forbidden()
        if rule.permission is not None and not caller.has(rule.permission):
            raise forbidden(f"Missing required permission: {rule.permission}")
        return caller

    async def identify(self, request: Request) -> Caller:
        """The caller, by the first of the ways that is tried. Raises ImmichHttpError (401)."""
        headers, query = request.headers, request.query_params
        if key := headers.get("x-immich-share-key") or query.get("key"):
            return await self._by_link("link_by_key", "Invalid share key", key=_link_key(key))
        if slug := headers.get("x-immich-share-slug") or query.get("slug"):
            return await self._by_link("link_by_slug", "Invalid share slug", slug=slug)
        if token := _session_token(request):
            return await self._by_session(token)
        if key := headers.get("x-api-key") or query.get("apiKey"):
            return await self._by_key(key)
        raise unauthorized("Authentication required")

    async def _by_link(self, query: str, refusal: str, **by: object) -> Caller:
        row = await self._data.row(query, **by)
        if row is None:
            raise unauthorized(refusal)
        link = SharedLink(row["link_id"], row["showExif"], row["allowUpload"], row["allowDownload"])
        return Caller(row["id"], row["isAdmin"], link=link)

    async def _by_session(self, token: str) -> Caller:
        row = await self._data.row("session_by_token", hash=token_hash(token))
        if row is None:
            raise unauthorized("Invalid user token")
        return Caller(
            row["id"], row["isAdmin"], session_id=row["session_id"], elevated=_is_elevated(row)
        )

    async def _by_key(self, key: str) -> Caller:
        row = await self._data.row("key_by_token", hash=token_hash(key))
        if row is None:
            raise unauthorized("Invalid API key")
        permissions = frozenset(row["permissions"])
        return Caller(row["id"], row["isAdmin"], key_id=row["key_id"], permissions=permissions)


def token_hash(token: str) -> bytes:
    """What Immich keeps of a token or key."""
    return hashlib.sha256(token.encode()).digest()


def _session_token(request: Request) -> str | None:
    headers = request.headers
    kind, _, bearer = headers.get("authorization", "").partition(" ")
    return (
        headers.get("x-immich-user-token")
        or headers.get("x-immich-session-token")
        or request.query_params.get("sessionKey")
        or (bearer if kind.lower() == "bearer" else None)
        or request.cookies.get(ACCESS_COOKIE)
    )


def _is_elevated(session: DictRow) -> bool:
    until = session["pinExpiresAt"]
    return until is not None and until > datetime.now(UTC)


def _link_key(key: str) -> bytes:
    """Read a link's key: 100 hexadecimal digits, or base64 for URLs; else nobody's."""
    try:
        if len(key) == 100:
            return bytes.fromhex(key)
        return base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
    except (ValueError, binascii.Error):
        return b""

"""Logins, sessions, API keys, partners."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from uuid import UUID

from psycopg.errors import ForeignKeyViolation
from starlette.responses import Response

from immich_aio.services.sandbox.api import Call, Endpoint, json_response
from immich_aio.services.sandbox.caller import ACCESS_COOKIE, Rule, token_hash
from immich_aio.services.sandbox.data import Data
from immich_aio.wire.immich_api import accounts
from immich_aio.wire.immich_api.errors import bad_request, forbidden, unauthorized
from immich_aio.wire.immich_api.moments import moment
from immich_aio.wire.immich_api.permissions import PERMISSIONS
from immich_aio.wire.immich_api.validation import BodyReader

COOKIE_SECONDS = 400 * 24 * 3600
NO_PASSWORD = "scrypt$00$00"  # noqa: S105  # what nobody's password is compared with


class Accounts:
    """The endpoints over the tables of users."""

    def __init__(self, data: Data) -> None:
        self._data = data

    @property
    def endpoints(self) -> list[Endpoint]:
        """What is answered here."""
        keys, partners = "/api-keys", "/partners"
        return [
            Endpoint("POST", "/auth/login", "login", self.login, status=201),
            Endpoint("POST", "/auth/logout", "logout", self.logout, Rule()),
            Endpoint(
                "POST", "/auth/validateToken", "validateAccessToken", self.validate, Rule(None)
            ),
            Endpoint("GET", "/auth/status", "getAuthStatus", self.status, Rule()),
            Endpoint("POST", "/auth/session/unlock", "unlockAuthSession", self.unlock, Rule(), 204),
            Endpoint("POST", "/auth/session/lock", "lockAuthSession", self.lock, Rule(), 204),
            Endpoint("GET", "/users/me", "getMyUser", self.me, Rule("user.read")),
            Endpoint("GET", f"{keys}/me", "getMyApiKey", self.my_key, Rule(None)),
            Endpoint("GET", keys, "getApiKeys", self.keys, Rule("apiKey.read")),
            Endpoint("POST", keys, "createApiKey", self.add_key, Rule("apiKey.create"), 201),
            Endpoint("GET", partners, "getPartners", self.partners, Rule("partner.read")),
            Endpoint(
                "POST", partners, "createPartner", self.add_partner, Rule("partner.create"), 201
            ),
            Endpoint(
                "PUT", partners + "/{id}", "updatePartner", self.set_partner, Rule("partner.update")
            ),
            Endpoint(
                "DELETE",
                partners + "/{id}",
                "removePartner",
                self.remove_partner,
                Rule("partner.delete"),
                204,
            ),
        ]

    async def login(self, call: Call) -> Response:
        """Check email and password; a session, as token and as cookies."""
        reader = await call.reader()
        email, password = reader.take_required_text("email"), reader.take_required_text("password")
        reader.finish()
        user = await self._data.row("user_by_email", email=email.lower())
        known = (user and user["password"]) or NO_PASSWORD
        if not await is_password(password, known) or user is None:
            raise unauthorized("Incorrect email or password")
        token = new_token()
        await self._data.run("add_session", hash=token_hash(token), user_id=user["id"])
        response = json_response(accounts.login_reply(user, token), 201)
        _set_cookies(response, token, secure=call.request.url.scheme == "https")
        return response

    async def logout(self, call: Call) -> Response:
        """End the session."""
        if call.caller.session_id is not None:
            await self._data.run("delete_session", id=call.caller.session_id)
        response = json_response({"successful": True, "redirectUri": "/auth/login?autoLaunch=0"})
        for cookie in (ACCESS_COOKIE, "immich_auth_type", "immich_is_authenticated"):
            response.delete_cookie(cookie)
        return response

    async def validate(self, _call: Call) -> object:
        """Say that the caller is known; who is not was refused before."""
        return {"authStatus": True}

    async def status(self, call: Call) -> object:
        """Whether there are a PIN and a password, and whether the session is unlocked."""
        user = await self._data.row("user_by_id", id=call.caller.user_id)
        if user is None:
            raise unauthorized()
        reply: dict[str, object] = {
            "pinCode": bool(user["pinCode"]),
            "password": bool(user["password"]),
            "isElevated": call.caller.elevated,
        }
        session = await self._data.row("session", id=call.caller.session_id)
        ends = {name: session and session[name] for name in ("expiresAt", "pinExpiresAt")}
        return reply | {name: moment(end) for name, end in ends.items() if end is not None}

    async def unlock(self, call: Call) -> None:
        """Let the session see locked assets for a quarter of an hour, for the PIN."""
        _require_session(call)
        reader = await call.reader()
        pin = reader.take_text("pinCode")
        reader.finish()
        user = await self._data.row("user_by_id", id=call.caller.user_id)
        if user is None or not user["pinCode"]:
            raise bad_request("User does not have a PIN code")
        if not isinstance(pin, str):
            raise bad_request("Either password or pinCode is required")
        if not re.fullmatch(r"\d{6}", pin) or not await is_password(pin, user["pinCode"]):
            raise bad_request("Wrong PIN code")
        await self._data.run("unlock_session", id=call.caller.session_id)

    async def lock(self, call: Call) -> None:
        """End what ``unlock`` began."""
        _require_session(call)
        await self._data.run("lock_session", id=call.caller.session_id)

    async def me(self, call: Call) -> object:
        """The caller's own account."""
        user = await self._data.row("user_by_id", id=call.caller.user_id)
        if user is None:
            raise unauthorized()
        return accounts.own_user_reply(user)

    async def my_key(self, call: Call) -> object:
        """The API key that the caller uses."""
        if call.caller.key_id is None:
            raise forbidden("Not authenticated with an API Key")
        row = await self._data.row(
            "key_of_user", user_id=call.caller.user_id, id=call.caller.key_id
        )
        if row is None:
            raise bad_request("API Key not found")
        return accounts.api_key_reply(row)

    async def keys(self, call: Call) -> object:
        """The caller's API keys."""
        rows = await self._data.rows("keys_of_user", user_id=call.caller.user_id)
        return [accounts.api_key_reply(row) for row in rows]

    async def add_key(self, call: Call) -> object:
        """Make an API key; an API key cannot give what it has not."""
        reader = await call.reader()
        name = reader.take_text("name")
        permissions = reader.take_words("permissions", list(PERMISSIONS))
        reader.finish()
        if not all(call.caller.has(permission) for permission in permissions):
            raise bad_request("Cannot grant permissions you do not have")
        secret = new_token()
        row = await self._data.row(
            "add_key",
            hash=token_hash(secret),
            name=name if isinstance(name, str) and name else "API Key",
            user_id=call.caller.user_id,
            permissions=list(permissions),
        )
        assert row is not None  # noqa: S101  # an INSERT … RETURNING gives one
        return {"secret": secret, "apiKey": accounts.api_key_reply(row)}

    async def partners(self, call: Call) -> object:
        """Those who share with the caller, or those with whom the caller shares."""
        reader = _query_reader(call)
        direction = reader.require_choice("direction", ["shared-by", "shared-with"])
        reader.finish()
        by = direction == "shared-by"
        query = "partners_shared_with" if by else "partners_sharing_with"
        rows = await self._data.rows(query, user_id=call.caller.user_id)
        return [accounts.partner_reply(row) for row in rows]

    async def add_partner(self, call: Call) -> object:
        """Share the caller's assets with someone."""
        reader = await call.reader()
        other = reader.take_uuid("sharedWithId")
        reader.finish()
        if not isinstance(other, UUID):
            raise bad_request("sharedWithId must be a UUID")
        try:
            added = await self._data.run(
                "add_partner", **{"by": call.caller.user_id, "with": other}
            )
        except ForeignKeyViolation:
            raise bad_request("User not found") from None
        if not added:
            raise bad_request("Partner already exists")
        return await self._partner("partners_shared_with", call.caller.user_id, other)

    async def set_partner(self, call: Call) -> object:
        """Show a partner's assets in the caller's timeline, or not."""
        other = call.id
        reader = await call.reader()
        in_timeline = reader.take_flag("inTimeline")
        reader.finish()
        pair = {"by": other, "with": call.caller.user_id, "in_timeline": in_timeline is True}
        if not await self._data.run("set_partner_in_timeline", **pair):
            raise bad_request("Not found or no partner.update access")
        return await self._partner("partners_sharing_with", call.caller.user_id, other)

    async def remove_partner(self, call: Call) -> None:
        """Share with someone no more."""
        pair = {"by": call.caller.user_id, "with": call.id}
        if not await self._data.run("delete_partner", **pair):
            raise bad_request("Partner not found")

    async def _partner(self, query: str, user_id: UUID, other: UUID) -> object:
        rows = await self._data.rows(query, user_id=user_id)
        return next(accounts.partner_reply(row) for row in rows if row["id"] == other)


def new_token() -> str:
    """A token or key such as Immich makes: letters and digits only."""
    return re.sub(r"[^0-9A-Za-z]", "", secrets.token_urlsafe(32))


async def password_hash(password: str) -> str:
    """What is kept of a password."""
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${(await _scrypt(password, salt)).hex()}"


async def is_password(password: str, kept: str) -> bool:
    """Whether that is the password of which this was kept; takes the same time either way."""
    _, salt, digest = kept.split("$")
    found = await _scrypt(password, bytes.fromhex(salt))
    return hmac.compare_digest(found, bytes.fromhex(digest))


async def _scrypt(password: str, salt: bytes) -> bytes:
    return await asyncio.to_thread(hashlib.scrypt, password.encode(), salt=salt, n=2**12, r=8, p=1)


def _query_reader(call: Call) -> BodyReader:
    return BodyReader(dict(call.request.query_params), call.shape)


def _require_session(call: Call) -> None:
    if call.caller.session_id is None:
        raise bad_request("This endpoint can only be used with a session token")


def _set_cookies(response: Response, token: str, *, secure: bool) -> None:
    values = {
        ACCESS_COOKIE: token,
        "immich_auth_type": "password",
        "immich_is_authenticated": "true",
    }
    for name, value in values.items():
        response.set_cookie(
            name,
            value,
            max_age=COOKIE_SECONDS,
            httponly=name != "immich_is_authenticated",
            secure=secure,
            samesite="lax",
        )

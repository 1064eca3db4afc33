"""Users, keys and partners in Immich's replies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from immich_aio.wire.immich_api.moments import moment

Row = Mapping[str, Any]

_COLOURS = (
    "primary",
    "pink",
    "red",
    "yellow",
    "blue",
    "green",
    "purple",
    "orange",
    "gray",
    "amber",
)


def user_reply(row: Row) -> dict[str, object]:
    """Write what everyone may know of a user. Without a colour of their own the email decides."""
    colour = row["avatarColor"] or _COLOURS[sum(map(ord, row["email"])) % len(_COLOURS)]
    return {
        "id": str(row["id"]),
        "email": row["email"],
        "name": row["name"],
        "profileImagePath": row["profileImagePath"],
        "avatarColor": colour,
        "profileChangedAt": moment(row["profileChangedAt"]),
    }


def own_user_reply(row: Row) -> dict[str, object]:
    """Write ``/users/me``."""
    names = (
        "storageLabel",
        "shouldChangePassword",
        "isAdmin",
        "createdAt",
        "deletedAt",
        "updatedAt",
    )
    more = ("oauthId", "quotaSizeInBytes", "quotaUsageInBytes", "status")
    rest = {name: moment(row[name]) for name in names + more}
    return user_reply(row) | rest | {"license": None}


def login_reply(row: Row, token: str) -> dict[str, object]:
    """Write the reply to a successful login."""
    return {
        "accessToken": token,
        "userId": str(row["id"]),
        "userEmail": row["email"],
        "name": row["name"],
        "isAdmin": row["isAdmin"],
        "profileImagePath": row["profileImagePath"],
        "shouldChangePassword": row["shouldChangePassword"],
        "isOnboarded": False,
    }


def api_key_reply(row: Row) -> dict[str, object]:
    """Write what is known of an API key; never the key."""
    return {
        "id": str(row["id"]),
        "name": row["name"],
        "createdAt": moment(row["createdAt"]),
        "updatedAt": moment(row["updatedAt"]),
        "permissions": list(row["permissions"]),
    }


def partner_reply(row: Row) -> dict[str, object]:
    """Write the other one of two partners."""
    return user_reply(row) | {"inTimeline": row["inTimeline"]}

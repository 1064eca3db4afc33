"""The address of Immich's Redis, as Immich takes it and as its Python client does."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

SCHEMES = ("redis", "rediss", "unix")
IMMICHS = "ioredis://"
"""After which Immich has the options of ioredis, as JSON in base64."""


def redis_address(value: str) -> str:
    """An address for the client; raises ValueError for one that is none."""
    if value.startswith(IMMICHS):
        return address_of(_options(value.removeprefix(IMMICHS)))
    if urlsplit(value).scheme not in SCHEMES:
        raise ValueError("must begin with ioredis://, redis://, rediss:// or unix://")
    return value


def address_of(options: Mapping[str, Any]) -> str:
    """An address from ioredis' options."""
    username, password = (quote(str(options.get(key) or ""), safe="") for key in _WHO)
    who = f"{username}:{password}@" if username or password else ""
    database = options.get("db") or 0
    if options.get("path"):
        return f"unix://{who}{quote(str(options['path']))}?db={database}"
    scheme = "rediss" if options.get("tls") is not None else "redis"
    host = str(options.get("host") or "localhost")
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{who}{host}:{options.get('port') or 6379}/{database}"


_WHO = ("username", "password")


def _options(encoded: str) -> Mapping[str, Any]:
    try:
        options = json.loads(base64.b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (binascii.Error, ValueError):
        raise ValueError("must have JSON in base64 after ioredis://, as Immich takes it") from None
    if not isinstance(options, dict):
        raise ValueError("must have the options of ioredis after ioredis://")  # noqa: TRY004
    if "sentinels" in options:
        raise ValueError("names sentinels, which are not followed; give the address of the master")
    return options

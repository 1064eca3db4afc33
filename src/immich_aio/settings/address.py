"""Addresses of other servers in settings."""

from __future__ import annotations

from urllib.parse import urlsplit


def http_url(value: str) -> str:
    """An address without a slash at its end. Raises ValueError for what is none."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL such as http://localhost:3003")
    parts.hostname.encode("idna")  # these raise ValueError for what is no host or no port
    _ = parts.port
    return value.rstrip("/")

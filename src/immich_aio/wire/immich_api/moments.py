"""Moments as JavaScript writes them: UTC, milliseconds, a Z at the end."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(value: object) -> object:
    """Write a moment; what is none, or comes spelled by PostgreSQL, stays as it is."""
    if not isinstance(value, datetime):
        return value
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

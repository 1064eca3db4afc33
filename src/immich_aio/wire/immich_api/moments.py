"""Moments as JavaScript writes them: UTC, milliseconds, a Z at the end."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(value: object) -> object:
    """Write a moment; what is none, or comes spelled by PostgreSQL, stays as it is."""
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is not UTC and value.utcoffset():
        value = value.astimezone(UTC)
    return value.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"

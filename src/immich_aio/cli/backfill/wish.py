"""Which photos a back-fill is about, as it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from immich_aio.cli.search_filters import OPTIONS, Kind
from immich_aio.domain.backfill import Scope

_SWITCHES = frozenset(option.field for option in OPTIONS if option.kind is Kind.SWITCH)


@dataclass(frozen=True, slots=True)
class Wish:
    """Equal ones are the same back-fill."""

    scope: Scope
    user: str | None
    """Whose photos, by the address with which they log in; None for everybody's."""
    filters: Mapping[str, Any]
    """By Immich's names; without those that were not given."""

    @classmethod
    def typed(cls, *, everything: bool, user: str | None, filters: Mapping[str, Any]) -> Wish:
        """From the command line."""
        given = {
            name: value
            for name, value in filters.items()
            if value not in (None, []) and not (name in _SWITCHES and value is False)
        }
        return cls(Scope.ALL if everything else Scope.MISSING, user, given)

    @classmethod
    def kept(cls, record: Mapping[str, Any]) -> Wish:
        """As it was kept."""
        return cls(Scope(record["scope"]), record["user"], record["filters"])

    @property
    def record(self) -> dict[str, Any]:
        """What is kept of it, ready for JSON."""
        return {"scope": self.scope.value, "user": self.user, "filters": dict(self.filters)}

    def __str__(self) -> str:
        parts = [f"--{self.scope.value}"]
        if self.user is not None:
            parts.append(f"--user {self.user}")
        parts += [f"{name} {value}" for name, value in self.filters.items()]
        return ", ".join(parts)

"""Which photos a back-fill is about, as it was asked for."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from immich_aio.cli.search_filters import OPTIONS, FilterOption, Kind
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
        """As options of the command line."""
        whose = [] if self.user is None else [f"--user {shlex.quote(self.user)}"]
        filters = [
            typed
            for option in OPTIONS
            if option.field in self.filters
            for typed in _typed(option, self.filters[option.field])
        ]
        return " ".join([f"--{self.scope.value}", *whose, *filters])


def _typed(option: FilterOption, value: Any) -> list[str]:  # noqa: ANN401  # what typer gave
    if option.kind is Kind.FLAG:
        return [option.flag.split("/")[0 if value else 1]]
    if option.kind is Kind.SWITCH:
        return [option.flag]
    values = value if isinstance(value, list) else [value]
    return [f"{option.flag} {shlex.quote(str(one))}" for one in values]

"""The texts of a search that may score highest, told before any of them is read."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import TupleRow


@dataclass(frozen=True, slots=True)
class Outline:
    """Texts by what they score at most, the highest first."""

    asset_ids: list[UUID]
    bounds: list[float]
    """What the text scores at most."""
    at_most: list[float]
    """What the asset scores at most, with its meaning where that counts."""
    are_all: bool
    """Whether no other text may count."""

    @classmethod
    def of(cls, parts: Sequence[Sequence[TupleRow]], first: int) -> Outline:
        """The first so many of what the statements of bounds gave, a half each or all at once."""
        rows = sorted(itertools.chain.from_iterable(parts))[:first]
        return cls(
            asset_ids=[asset_id for _, _, asset_id, _ in rows],
            bounds=[bound for _, _, _, bound in rows],
            at_most=[-rank for rank, _, _, _ in rows],
            are_all=len(rows) < first,
        )

    @property
    def parameters(self) -> dict[str, object]:
        """As the statements that read these texts take them."""
        return {"asset_ids": self.asset_ids, "bounds": self.bounds, "at_most": self.at_most}

"""How far a file is, and when to say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes of a file that are here, of how many; ``url`` is None while another process fetches."""

    received: int
    total: int | None
    url: str | None

    @property
    def percent(self) -> int | None:
        """Whole per cent, where the total is known."""
        return self.received * 100 // self.total if self.total else None

    def __str__(self) -> str:
        if self.percent is None:
            return f"{self.received / 1e6:,.0f} MB"
        return f"{self.received / 1e6:,.0f} of {(self.total or 0) / 1e6:,.0f} MB ({self.percent} %)"


Report = Callable[[Progress], None]


class Milestones:
    """Tells every ten per cent once, for logs."""

    def __init__(self) -> None:
        self._tenth: int | None = None

    def passed(self, progress: Progress) -> bool:
        """Whether another ten per cent are here; not so for what was here at the beginning."""
        tenth = (progress.percent or 0) // 10
        before, self._tenth = self._tenth, tenth
        return before is not None and tenth > before

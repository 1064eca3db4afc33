"""How search stands, for whoever shows it: what the keeper of the text index tells of itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from immich_aio.store.immich_guard import ImmichTables
from immich_aio.store.text_index import IndexStatus


class State(Enum):
    """How search stands."""

    OFF = "no database is set"
    CONNECTING = "the database has not been reached yet"
    AWAY = "the database cannot be reached"
    REFUSED = "Immich's tables are not as we know them"
    MAKING = "the text index is being made"
    READY = "search works"
    REMOVED = "the text index was taken away"


@dataclass(frozen=True, slots=True)
class KeeperStatus:
    """How search stands, as far as is known without asking the database."""

    state: State
    reason: str = ""
    """What is in the way and what to do, for people."""
    tables: ImmichTables | None = None
    segmenter: str | None = None
    done: int = 0
    total: int = 0
    """While the index is being made: photos read, of how many."""
    looked_at: datetime | None = None
    """When Immich's tables were last looked at, and what had changed was taken over."""
    written: int = 0
    removed: int = 0
    """Photos that were taken over, and that were taken out, since the start."""
    elsewhere: bool = False
    """Another process keeps the index just now."""

    @property
    def lag(self) -> float | None:
        """Seconds since the last look; None before the first."""
        if self.looked_at is None:
            return None
        return (datetime.now(UTC) - self.looked_at).total_seconds()


@dataclass(frozen=True, slots=True)
class IndexFigures:
    """The index in figures, for which the database was asked."""

    index: IndexStatus
    behind: int
    """Photos that have changed in Immich and are still to be taken over."""
    photos_with_text: int

"""Having one photo read or encoded again: which of Immich's jobs does it, and when it cannot.

Rules read off Immich 2.2.3 and 3.1.0, whose workers drop in silence what they cannot do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from uuid import UUID


class Refresh(Enum):
    """What may be asked for, by the name in ``POST /api/assets/jobs``."""

    OCR = "refresh-ocr"
    SMART_SEARCH = "refresh-smart-search"


@dataclass(frozen=True, slots=True)
class ImmichJob:
    """A job of Immich's, the queue it waits in, and the feature that must be switched on."""

    queue: str
    name: str
    feature: str
    title: str
    """What Immich's settings call it."""


JOBS: Mapping[Refresh, ImmichJob] = {
    Refresh.OCR: ImmichJob("ocr", "Ocr", "ocr", "OCR"),
    Refresh.SMART_SEARCH: ImmichJob("smartSearch", "SmartSearch", "smartSearch", "Smart Search"),
}


class Hindrance(Enum):
    """Why Immich's worker would do nothing for a photo."""

    HIDDEN = "hidden"
    NO_PREVIEW = "noPreview"
    EDITED = "edited"

    @property
    def words(self) -> str:
        """What to say to whoever asked for it."""
        return _WORDS[self]


_WORDS = {
    Hindrance.HIDDEN: "Immich leaves out the video half of a live photo; refresh the photo itself.",
    Hindrance.NO_PREVIEW: "There is no preview to look at; have its thumbnails refreshed first.",
    Hindrance.EDITED: "Immich makes no new vector of a photo that was edited; undo the edit first.",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A photo or video, as far as refreshing it depends on that."""

    id: UUID
    is_hidden: bool
    previews: int
    """Files of that kind; an edited photo has two."""
    unedited_previews: int


Marks = Mapping[UUID, str]
"""What changes whenever the job was done for a photo; before the first time it has none."""


def hindrance(refresh: Refresh, subject: Subject) -> Hindrance | None:
    """Why it would come to nothing, if it would."""
    if subject.is_hidden:
        return Hindrance.HIDDEN
    if subject.unedited_previews == 0:
        return Hindrance.NO_PREVIEW
    if refresh is Refresh.SMART_SEARCH and subject.previews > 1:
        return Hindrance.EDITED
    return None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the jobs of some photos are."""

    done: int
    waiting: int
    failed: int
    """Jobs that are gone without having changed anything; Immich's log says why."""


def progress(before: Marks, now: Marks, ids: Sequence[UUID], queued: set[UUID]) -> Progress:
    """How far they are, by their marks before and now.

    ``queued`` are those whose job is there still, asked for before the marks of now were.
    """
    done = {one for one in ids if one in now and now[one] != before.get(one)}
    waiting = sum(one in queued and one not in done for one in ids)
    return Progress(len(done), waiting, len(ids) - len(done) - waiting)

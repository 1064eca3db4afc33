"""Which task goes where: a pure decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from immich_aio.domain.clip_models import is_among
from immich_aio.domain.tasks import ClipImageTask, ClipTextTask, FacesTask, OcrTask, Task

ClipTask = ClipImageTask | ClipTextTask


@dataclass(frozen=True, slots=True)
class Route:
    """A request's tasks by destination: ours, or sent on to IMMICH_API."""

    ocr: OcrTask | None
    clip: ClipTask | None
    faces: FacesTask | None
    immich: tuple[Task, ...]

    @property
    def is_ours(self) -> bool:
        """Whether anything of it is done here."""
        return self.ocr is not None or self.clip is not None or self.faces is not None


def route(
    tasks: Sequence[Task], clip_names: Sequence[str], *, faces_are_ours: bool = False
) -> Route:
    """OCR is our backend's, and so are CLIP under ``clip_names`` and faces if they are said to be;
    all else is Immich's own server's.

    One request has one place in its reply for each of them, so there is at most one of a kind.
    """
    ocr = next((task for task in tasks if isinstance(task, OcrTask)), None)
    clip = next((task for task in tasks if _is_our_clip(task, clip_names)), None)
    faces = next((task for task in tasks if faces_are_ours and isinstance(task, FacesTask)), None)
    rest = tuple(task for task in tasks if all(task is not one for one in (ocr, clip, faces)))
    return Route(ocr, clip if isinstance(clip, ClipTask) else None, faces, rest)


def _is_our_clip(task: Task, names: Sequence[str]) -> bool:
    return isinstance(task, ClipTask) and is_among(task.model, names)

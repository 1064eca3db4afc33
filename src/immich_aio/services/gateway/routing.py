"""Which task goes where: a pure decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from immich_aio.domain.tasks import OcrTask, Task


@dataclass(frozen=True, slots=True)
class Route:
    """A request's tasks by destination: read here, or sent on to IMMICH_API."""

    ocr: OcrTask | None
    immich: tuple[Task, ...]


def route(tasks: Sequence[Task]) -> Route:
    """OCR is read by our backend; everything else is Immich's own server's."""
    ocr = next((task for task in tasks if isinstance(task, OcrTask)), None)
    return Route(ocr, tuple(task for task in tasks if not isinstance(task, OcrTask)))

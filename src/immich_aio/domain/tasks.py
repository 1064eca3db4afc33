"""What may be asked of the inference path, as plain values.

Task and type names are Immich's: ``ocr`` (detection, recognition), ``clip`` (visual, textual) and
``facial-recognition`` (detection, recognition).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class OcrOptions:
    """How one image is to be read; the defaults are Immich 3.1's.

    ``min_box_score`` drops boxes and ``min_text_score`` drops lines, both in 0…1.
    ``max_resolution`` bounds the shorter side, in pixels, of the image that the detector sees.
    """

    min_box_score: float = 0.5
    min_text_score: float = 0.8
    max_resolution: int = 736


@dataclass(frozen=True, slots=True)
class OcrTask:
    """Read the text of the image. ``legacy`` asks for the old fork's reply."""

    model: str
    options: OcrOptions = OcrOptions()
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class ClipImageTask:
    """The image's CLIP vector."""

    model: str


@dataclass(frozen=True, slots=True)
class ClipTextTask:
    """The text's CLIP vector; ``language`` is the caller's, such as zh-CN, or None."""

    model: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class FacesTask:
    """All faces of the image whose score is at least ``min_score`` (0…1)."""

    model: str
    min_score: float = 0.7


@dataclass(frozen=True, slots=True)
class OtherTask:
    """Something this version does not know; ``types`` is what was asked, as JSON.

    Only a server that speaks Immich's own protocol can answer it.
    """

    name: str
    types: str
    model: str = ""


Task = OcrTask | ClipImageTask | ClipTextTask | FacesTask | OtherTask

TaskKind = Literal["ocr", "clip-image", "clip-text", "faces", "other"]
"""What is asked of whoever does a task: the tasks that one can do are told by kind."""

TASK_KINDS: tuple[TaskKind, ...] = ("ocr", "clip-image", "clip-text", "faces", "other")

_KINDS: dict[type[Task], TaskKind] = dict(
    zip((OcrTask, ClipImageTask, ClipTextTask, FacesTask, OtherTask), TASK_KINDS, strict=True)
)


def kind_of(task: Task) -> TaskKind:
    """The kind of a task."""
    return _KINDS[type(task)]

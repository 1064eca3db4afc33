"""Who answers which task: backends and rules as plain values, and what follows from them.

A rule names backends in an order of groups. The members of a group are equals, who share the work;
a later group is for when nobody of the earlier ones can take it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Literal

from immich_aio.domain.clip_models import listed_name
from immich_aio.domain.tasks import (
    ClipImageTask,
    ClipTextTask,
    FacesTask,
    OcrTask,
    OtherTask,
    Task,
    TaskKind,
    kind_of,
)

BackendKind = Literal["engine", "mt-photos", "immich"]
"""An engine of this process, a server of the MT-Photos protocol, or one of Immich's."""

Order = tuple[tuple[str, ...], ...]
"""Names of backends, in groups of equals."""

DEFAULT_LIMIT = 16
"""Requests that another server is given at once: enough to fill a batch, and no more than that
loses little when it restarts."""


@dataclass(frozen=True, slots=True)
class BackendSpec:
    """One backend as it is configured.

    ``weight`` is its share among equals. ``limit`` is how many requests it is given at once, images
    and texts each; None leaves that to its kind. ``timeout`` is in seconds, for images. The engine
    and MT-Photos servers answer CLIP with ``clip_model`` and faces with ``face_pack``, or not at
    all where that is empty.
    """

    name: str
    kind: BackendKind
    url: str = ""
    key: str = field(default="", repr=False)
    weight: float = 1.0
    limit: int | None = None
    timeout: float | None = None
    clip_model: str = ""
    face_pack: str = ""

    def serves(self, kind: TaskKind) -> bool:
        """Whether it can do tasks of a kind at all."""
        if self.kind == "immich":
            return True
        match kind:
            case "ocr":
                return True
            case "clip-image" | "clip-text":
                return bool(self.clip_model)
            case "faces":
                return bool(self.face_pack)
            case "other":
                return False

    def vectors(self, kind: TaskKind) -> str:
        """Whose vectors it makes; only those of one model can be compared.

        Empty where it makes those of whichever model it is asked for, and no others.
        """
        if kind == "faces":
            return self.face_pack
        if kind == "ocr":
            return ""
        return "Immich's own models" if self.kind == "immich" else self.clip_model


TASK_NAMES: Mapping[str, TaskKind] = MappingProxyType(
    {"ocr": "ocr", "clip": "clip-text", "facial-recognition": "faces"}
)
"""Immich's names of the tasks that are known, and a kind that whoever does them can do."""


@dataclass(frozen=True, slots=True)
class Rule:
    """For which requests an order holds. ``task`` is Immich's name of it, or ``*`` for all.

    ``type`` is visual or textual, for CLIP alone. ``models`` are patterns in which ``*`` stands for
    any letters; without any, the model does not matter.
    """

    order: Order
    task: str = "*"
    type: str = "*"
    models: tuple[str, ...] = ()

    def matches(self, task: Task) -> bool:
        """Whether the rule is about such a task."""
        name, kind = _names(task)
        return (
            self.task in ("*", name)
            and self.type in ("*", kind)
            and (not self.models or any(_fits(task.model, pattern) for pattern in self.models))
        )

    def __str__(self) -> str:
        """In words for people, such as ``ocr → npu and nas, else immich``."""
        names = ["everything else" if self.task == "*" else self.task]
        names += [self.type] if self.type != "*" else []
        names += [f"({', '.join(self.models)})"] if self.models else []
        groups = [" and ".join(group) for group in self.order]
        return f"{' '.join(names)} → {', else '.join(groups)}"


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """All backends, and the rules, of which the first counts that has a backend for the task."""

    backends: tuple[BackendSpec, ...] = ()
    rules: tuple[Rule, ...] = ()

    def order_of(self, task: Task) -> Order:
        """The groups of those who can do a task; none where nobody can."""
        for rule in self.rules:
            if rule.matches(task) and (order := self._able(rule.order, kind_of(task))):
                return order
        return ()

    def backend(self, name: str) -> BackendSpec:
        """The backend of a name that a rule has."""
        return next(backend for backend in self.backends if backend.name == name)

    def _able(self, order: Order, kind: TaskKind) -> Order:
        groups = (
            tuple(name for name in group if self.backend(name).serves(kind)) for group in order
        )
        return tuple(group for group in groups if group)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Two backends whose vectors of a task cannot be compared; ``task`` is Immich's name of it."""

    task: str
    kind: TaskKind
    backends: tuple[BackendSpec, BackendSpec]


def mixed_vectors(backends: Sequence[BackendSpec], rule: Rule) -> Mixture | None:
    """Backends of a rule whose vectors would come under one name; None where all is well.

    Immich keeps all vectors of a task in one index: there, half of another model's are noise.
    """
    named = {name for group in rule.order for name in group}
    for task, kind in TASK_NAMES.items():
        able = [each for each in backends if each.name in named and each.vectors(kind)]
        others = [each for each in able if each.vectors(kind) != able[0].vectors(kind)]
        if others and rule.task in ("*", task):
            return Mixture(task, kind, (able[0], others[0]))
    return None


def _names(task: Task) -> tuple[str, str]:
    """Immich's names of the task and of its type."""
    match task:
        case OcrTask():
            return "ocr", ""
        case ClipImageTask():
            return "clip", "visual"
        case ClipTextTask():
            return "clip", "textual"
        case FacesTask():
            return "facial-recognition", ""
        case OtherTask(name=name):
            return name, ""


def _fits(model: str, pattern: str) -> bool:
    return fnmatchcase(listed_name(model), listed_name(pattern))

"""How a request is divided among those who can do it: a pure decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from immich_aio.domain.routes import Order, RoutingTable
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
from immich_aio.errors import AioError, UnavailableError, UnprocessableError

TITLES: dict[TaskKind, str] = {
    "ocr": "OCR",
    "clip-image": "CLIP of an image",
    "clip-text": "CLIP of a text",
    "faces": "faces",
    "other": "this task",
}


@dataclass(frozen=True, slots=True)
class Unit:
    """Tasks that one backend does together, and the groups of those who can.

    ``whole`` says that they are all of a request, and that it may go on as it came: whoever gets it
    speaks Immich's own protocol.
    """

    tasks: tuple[Task, ...]
    order: Order
    whole: bool = False

    @property
    def kind(self) -> TaskKind:
        """The kind by which it is waited for and counted."""
        return kind_of(self.tasks[0])

    @property
    def title(self) -> str:
        """What it is, in words for people."""
        return " and ".join(TITLES[kind_of(task)] for task in self.tasks)


def plan(tasks: Sequence[Task], table: RoutingTable) -> tuple[Unit, ...]:
    """The units of a request, each of which may be done elsewhere.

    Only servers of Immich's protocol can be asked for several tasks at once; then those of the same
    order stay together. Raises UnavailableError or UnprocessableError where nobody can do a task.
    """
    by_order: dict[Order, list[Task]] = {}
    units: list[Unit] = []
    for task in tasks:
        order = table.order_of(task)
        if not order:
            raise _nobody(task)
        if _speak_immichs_protocol(order, table):
            by_order.setdefault(order, []).append(task)
        else:
            units.append(Unit((task,), order))
    together = [Unit(tuple(same), order) for order, same in by_order.items()]
    if not units and len(together) == 1 and not any(_is_legacy(task) for task in tasks):
        return (Unit(together[0].tasks, together[0].order, whole=True),)
    return (*units, *together)


def _speak_immichs_protocol(order: Order, table: RoutingTable) -> bool:
    return all(table.backend(name).kind == "immich" for group in order for name in group)


def _is_legacy(task: Task) -> bool:
    return isinstance(task, OcrTask) and task.legacy


def _nobody(task: Task) -> AioError:
    """What to tell whoever asks for what nobody here can do."""
    match task:
        case OcrTask():
            return UnavailableError(
                "No OCR backend: start with the role 'ai' as well, or set MT_PHOTOS_API."
            )
        case ClipImageTask() | ClipTextTask():
            return UnavailableError(
                f"{task.model} is not answered here: set IMMICH_API to Immich's own "
                "machine-learning server, such as http://immich-machine-learning:3003; CLIP_MODEL "
                "makes this gateway answer with Chinese-CLIP."
            )
        case OtherTask(name=name):
            return UnprocessableError(
                f"entries.{name}: no such task is known here; set IMMICH_API to a server that does."
            )
        case FacesTask():
            return UnavailableError(
                "Faces are not found here: set IMMICH_API to Immich's own machine-learning "
                "server, such as http://immich-machine-learning:3003; FACES_FROM=here has them "
                "found by this product."
            )

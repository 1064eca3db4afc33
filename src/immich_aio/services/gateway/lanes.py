"""All lanes of a routing table: what every backend does of every kind, and how much at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from immich_aio.domain.routes import DEFAULT_LIMIT, BackendSpec, RoutingTable
from immich_aio.domain.tasks import TASK_KINDS, TaskKind
from immich_aio.services.gateway.health import Lane, Reach, Slots

Lanes = Mapping[tuple[str, TaskKind], Lane]
"""By the backend's name and the kind of task."""


def lanes_of(
    table: RoutingTable, engine_limits: Mapping[TaskKind, int], timeout: float
) -> dict[tuple[str, TaskKind], Lane]:
    """Make them. An engine has places for each kind; a server for all images, and for texts, so
    that these never wait behind those. ``timeout`` is the seconds of a server without its own.
    """
    return {
        (spec.name, lane.kind): lane
        for spec in table.backends
        for lane in (
            _engine(spec, engine_limits) if spec.kind == "engine" else _server(spec, timeout)
        )
    }


def _engine(spec: BackendSpec, limits: Mapping[TaskKind, int]) -> Iterable[Lane]:
    reach = Reach()
    for kind in TASK_KINDS:
        if spec.serves(kind):
            slots = Slots(spec.limit or limits.get(kind, DEFAULT_LIMIT))
            yield Lane(spec.name, kind, slots, reach, spec.weight)


def _server(spec: BackendSpec, timeout: float) -> Iterable[Lane]:
    reach = Reach()
    images, texts = (Slots(spec.limit or DEFAULT_LIMIT) for _ in range(2))
    for kind in TASK_KINDS:
        if spec.serves(kind):
            slots = texts if kind == "clip-text" else images
            seconds = spec.timeout or timeout
            yield Lane(spec.name, kind, slots, reach, spec.weight, seconds)

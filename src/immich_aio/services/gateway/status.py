"""How the gateway stands, as ``GET /status`` tells it; no key is in it."""

from __future__ import annotations

from time import monotonic

from immich_aio import __version__
from immich_aio.domain.routes import BackendSpec, Rule
from immich_aio.services.gateway.gateway import Gateway
from immich_aio.services.gateway.health import Lane
from immich_aio.upstream.http import without_password


def status_of(gateway: Gateway) -> dict[str, object]:
    """Everything, ready for JSON; times in seconds."""
    now = monotonic()
    table, spool, oldest = gateway.config.table, gateway.spool, gateway.room.oldest
    return {
        "version": __version__,
        "uptime": round(monotonic() - gateway.began),
        "waiting": {
            "requests": gateway.room.waiting,
            "oldest": 0 if oldest is None else round(now - oldest, 1),
            "places": gateway.config.places,
            "memory_bytes": spool.memory,
            "disk_bytes": spool.disk,
            "disk_failure": spool.failure,
        },
        "cached_texts": len(gateway.cache),
        "backends": [_backend(spec, gateway, now) for spec in table.backends],
        "routes": [_route(rule) for rule in table.rules],
    }


def _backend(spec: BackendSpec, gateway: Gateway, now: float) -> dict[str, object]:
    lanes = [lane for lane in gateway.lanes.values() if lane.backend == spec.name]
    reach = lanes[0].reach
    return {
        "name": spec.name,
        "kind": spec.kind,
        "url": without_password(spec.url),
        "weight": spec.weight,
        "reachable": reach.reachable,
        "reason": reach.reason or reach.complaint,
        "tasks": [_lane(lane, now) for lane in lanes],
    }


def _lane(lane: Lane, now: float) -> dict[str, object]:
    return {
        "task": lane.kind,
        "breaker": lane.breaker.state(now),
        "reason": lane.breaker.reason,
        "running": lane.slots.taken,
        "limit": lane.slots.limit,
        "answered": lane.answered,
        "failed": lane.failed,
        "typical_seconds": round(lane.seconds, 4),
    }


def _route(rule: Rule) -> dict[str, object]:
    return {
        "task": rule.task,
        "type": rule.type,
        "models": rule.models,
        "order": rule.order,
    }

"""What one deployment has of the cluster: how many replicas, how large, and how much at once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

from immich_aio.errors import BadInputError

DeploymentName = Literal["ocr", "clip-image", "clip-text", "faces"]

DEPLOYMENTS: tuple[DeploymentName, ...] = get_args(DeploymentName)
"""Those that do the work; before them stands INGRESS."""

INGRESS = "ingress"
APPLICATION = "immich-aio"

QUEUED = 64
"""Requests that may wait at each ingress for a replica: as many as the engines' own queues have."""

_REPLICAS = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True, slots=True)
class Replicas:
    """So many replicas, or as many between two numbers as there is work for."""

    least: int
    most: int

    @classmethod
    def parse(cls, written: str) -> Replicas:
        """From ``2`` or ``1-8``. Raises BadInputError."""
        match = _REPLICAS.fullmatch(written.strip())
        if match is None:
            raise BadInputError(f"Replicas are a number or a range such as 1-8, not '{written}'.")
        least = int(match[1])
        most = int(match[2] or least)
        if least > most or (most > 0 and least == 0):
            raise BadInputError(f"A range of replicas begins at 1 and rises, not '{written}'.")
        return cls(least, most)


@dataclass(frozen=True, slots=True)
class Share:
    """One deployment's. ``cpus`` and ``gpus`` are a replica's; parts of one may be given."""

    name: DeploymentName
    replicas: Replicas
    cpus: float = 1.0
    gpus: float = 0.0

    @property
    def ongoing(self) -> int:
        """Requests that a replica is given at once: those it works on, and as many that wait.

        The engine makes its batches of what waits in it, so a lane that batches is given two full
        ones, and is never idle for want of the next.
        """
        workers = max(1, math.ceil(self.cpus))
        return AT_ONCE[self.name] * (workers if self.name in ("ocr", "faces") else 1)


AT_ONCE: Mapping[DeploymentName, int] = MappingProxyType(
    {"ocr": 2, "clip-image": 16, "clip-text": 64, "faces": 2}
)
"""Requests at once: for each worker of OCR and faces, for each replica of CLIP."""


def serve_deployment(share: Share) -> dict[str, Any]:
    """The deployment as Ray Serve's configuration has it."""
    written: dict[str, Any] = {"name": share.name}
    if share.replicas.least == share.replicas.most:
        written["num_replicas"] = share.replicas.least
    else:
        written["autoscaling_config"] = {
            "min_replicas": share.replicas.least,
            "max_replicas": share.replicas.most,
            # Between being busy with one and being full: then another replica is of use.
            "target_ongoing_requests": max(1.0, share.ongoing * 0.75),
        }
    return written | {
        "max_ongoing_requests": share.ongoing,
        "max_queued_requests": QUEUED,
        "graceful_shutdown_timeout_s": 60.0,
        "ray_actor_options": {"num_cpus": share.cpus, "num_gpus": share.gpus},
    }


def serve_ingress(replicas: int) -> dict[str, Any]:
    """The ingress: one, or several on as many nodes, of which one may then be lost.

    It takes in uploads and writes replies, which is little: no core is its own. Where it is alone
    there is thus always room for the new one before the old one goes.
    """
    placed = {"max_surge_percent": 100} if replicas == 1 else {"max_replicas_per_node": 1}
    return {
        "name": INGRESS,
        "num_replicas": replicas,
        "max_ongoing_requests": 1000,
        "max_queued_requests": 1000,
        "backpressure_config": {"status_code": 429, "retry_after_s": 1},
        "graceful_shutdown_timeout_s": 60.0,
        "ray_actor_options": {"num_cpus": 0},
        **placed,
    }

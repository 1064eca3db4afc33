"""The application as Ray Serve takes it: the ingress, and the deployments that it calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ray import serve

from immich_aio.engines.protocol import ClipEncoder, FaceFinder, OcrReader
from immich_aio.services.cluster.ingress import Ingress, IngressConfig
from immich_aio.services.cluster.replicas import (
    ClipImageReplica,
    ClipTextReplica,
    FacesReplica,
    Maker,
    OcrReplica,
)
from immich_aio.services.cluster.share import INGRESS, DeploymentName


@dataclass(frozen=True, slots=True)
class Makers:
    """What makes each engine where its replica runs; None for one that the cluster is without."""

    ocr: Maker[OcrReader] | None
    clip: Maker[ClipEncoder] | None
    faces: Maker[FaceFinder] | None


def application(config: IngressConfig, makers: Makers) -> serve.Application:
    """How many replicas of what size there are, is for Serve's own configuration to say."""
    deployments: dict[DeploymentName, serve.Application] = {}
    if makers.ocr is not None:
        deployments["ocr"] = _bound(OcrReplica, "ocr", makers.ocr)
    if makers.clip is not None:
        deployments["clip-image"] = _bound(ClipImageReplica, "clip-image", makers.clip)
        deployments["clip-text"] = _bound(ClipTextReplica, "clip-text", makers.clip)
    if makers.faces is not None:
        deployments["faces"] = _bound(FacesReplica, "faces", makers.faces)
    return _bound(serve.ingress()(Ingress), INGRESS, config, deployments)


def _bound(replica: type[Any], name: str, *arguments: object) -> serve.Application:
    deployment: Any = serve.deployment(replica, name=name)  # by its types it were a decorator
    bound: serve.Application = deployment.bind(*arguments)
    return bound

"""The ingress: the AI service's own app, whose engines are the other deployments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import FastAPI

from immich_aio.engines.protocol import ClipEncoder, FaceFinder, OcrReader
from immich_aio.services.ai.app import create_app
from immich_aio.services.ai.service import AiServiceConfig, Engines
from immich_aio.services.cluster.absent import Absent
from immich_aio.services.cluster.calls import Handle, Replicas
from immich_aio.services.cluster.handles import ReplicatedClip, ReplicatedFaces, ReplicatedOcr
from immich_aio.services.cluster.share import DeploymentName


@dataclass(frozen=True, slots=True)
class IngressConfig:
    """How the app is served, and what the replicas' models are called."""

    service: AiServiceConfig
    clip_model: str
    face_pack: str


class Ingress:
    """Ray gives it the requests; see ``ray.serve.ingress``. A deployment may be missing."""

    def __init__(self, config: IngressConfig, handles: Mapping[DeploymentName, Handle]) -> None:
        self._config = config
        self._replicas = {name: Replicas(handle, name) for name, handle in handles.items()}

    def __serve_build_asgi_app__(self) -> FastAPI:
        """The app. Ray asks for it once, in the replica."""
        engines = Engines(self._ocr(), self._clip(), self._faces())
        return create_app(self._config.service, engines)

    def _ocr(self) -> OcrReader:
        replicas = self._replicas.get("ocr")
        return ReplicatedOcr(replicas) if replicas else Absent("OCR", "--ocr-replicas 1")

    def _clip(self) -> ClipEncoder:
        images, texts = self._replicas.get("clip-image"), self._replicas.get("clip-text")
        if images is None or texts is None:
            return Absent("CLIP", "CLIP_MODEL set")
        return ReplicatedClip(images, texts, self._config.clip_model)

    def _faces(self) -> FaceFinder:
        replicas = self._replicas.get("faces")
        if replicas is None:
            return Absent("faces", "FACES_FROM=here")
        return ReplicatedFaces(replicas, self._config.face_pack)

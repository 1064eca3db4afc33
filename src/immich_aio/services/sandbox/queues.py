"""Immich's queues and jobs, as far as the miniature has workers for them."""

from __future__ import annotations

from dataclasses import dataclass

from immich_aio.domain.immich import Shape


@dataclass(frozen=True, slots=True)
class Job:
    """A job by its name, and the queue it waits in."""

    queue: str
    name: str


METADATA = Job("metadataExtraction", "AssetExtractMetadata")
THUMBNAILS = Job("thumbnailGeneration", "AssetGenerateThumbnails")
OCR = Job("ocr", "Ocr")
CLIP = Job("smartSearch", "SmartSearch")
FACES = Job("faceDetection", "AssetDetectFaces")
VIDEO = Job("videoConversion", "AssetEncodeVideo")

JOBS = (METADATA, THUMBNAILS, OCR, CLIP, FACES, VIDEO)
CONCURRENCY = {
    METADATA.queue: 5,
    THUMBNAILS.queue: 3,
    OCR.queue: 1,
    CLIP.queue: 2,
    FACES.queue: 2,
    VIDEO.queue: 1,
}
"""How many jobs of a queue run at once: Immich's defaults."""

ALL_OF = {job.queue: f"{job.name}QueueAll" for job in JOBS}
"""The job that queues the jobs of all assets, by queue."""

ASSET_JOBS = {
    "refresh-faces": FACES,
    "refresh-metadata": METADATA,
    "regenerate-thumbnail": THUMBNAILS,
    "transcode-video": VIDEO,
}
"""What ``POST /assets/jobs`` may be asked for."""

_QUEUES = (
    "thumbnailGeneration",
    "metadataExtraction",
    "videoConversion",
    "faceDetection",
    "facialRecognition",
    "smartSearch",
    "duplicateDetection",
    "backgroundTask",
    "storageTemplateMigration",
    "migration",
    "search",
    "sidecar",
    "library",
    "notifications",
    "backupDatabase",
    "ocr",
)
_NEWER = ("workflow", "integrityCheck", "editor")


def queue_names(shape: Shape) -> tuple[str, ...]:
    """All of Immich's queues, in its order."""
    return _QUEUES if shape is Shape.V2_2 else _QUEUES + _NEWER

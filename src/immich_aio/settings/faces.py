"""The settings of faces."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from immich_aio.domain.face_packs import PACKS, pack_named
from immich_aio.settings.folder import Folder


class FaceSettings(BaseSettings):
    """A part of ``Settings``."""

    faces_from: Literal["immich", "here"] = Field(
        "immich",
        description="Who finds faces for Immich: `immich` sends the task to IMMICH_API; `here` "
        "does it with RECOGNITION_MODEL, and Immich's own server need not run for it.",
    )
    recognition_model: str = Field(
        PACKS[0],
        description="InsightFace's pack that finds and recognises faces: buffalo_l, buffalo_m, "
        "buffalo_s or antelopev2. It must be the one that is chosen in Immich, for vectors of "
        "different packs cannot be compared.",
    )
    detection_thresh: float = Field(
        0.65,
        gt=0,
        le=1,
        description="How sure a face must be for MT-Photos (0…1): less finds more faces, and more "
        "that are none. Immich sends its own.",
    )
    accept_faces_license: bool = Field(
        False,
        description="Whether you accept the licence of InsightFace's models, which is for "
        "non-commercial research only. Without it, or `models pull --accept-license`, no face is "
        "recognised and nothing of them is fetched.",
    )
    faces_runtime: Literal["auto", "openvino", "onnxruntime"] = Field(
        "auto", description="As OCR_RUNTIME, for faces."
    )
    faces_precision: Literal["auto", "f32", "bf16"] = Field(
        "auto",
        description="`auto` takes bf16 where the CPU multiplies it, f32 elsewhere. bf16 is about "
        "twice as fast; boxes and vectors are a little less exact (docs/benchmarks.md).",
    )
    faces_workers: int = Field(
        0, ge=0, le=256, description="Images searched for faces at once; as OCR_WORKERS."
    )
    faces_queue_size: int = Field(
        64,
        ge=1,
        description="Images that may wait in the AI service for their faces. When it is full its "
        "callers get 429 at once, and the gateway waits; a longer queue holds more uploads in "
        "memory.",
    )
    faces_download_root: Folder = Field(
        Path("models/faces"),
        description="Folder of the face packs, one folder each. InsightFace's (~/.insightface/"
        "models) and that of Immich's server (/cache/facial-recognition) are used as they are. A "
        "pack takes 16 to 280 MB.",
    )

    @property
    def face_pack(self) -> str:
        """The pack by which faces are found here for Immich; empty where they are not."""
        return self.recognition_model if self.faces_from == "here" else ""

    @field_validator("recognition_model")
    @classmethod
    def _names_a_pack(cls, value: str) -> str:
        found = pack_named(value)
        if found is None:
            raise ValueError(f"takes {', '.join(PACKS)}")
        return found

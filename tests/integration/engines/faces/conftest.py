"""A pack of small networks that see drawn faces, and an engine over it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from bench.face_networks import write_pack
from immich_aio.domain.images import ImageLimits
from immich_aio.engines.faces.choice import faces_choice
from immich_aio.engines.faces.engine import FaceEngine, FaceEngineConfig
from immich_aio.engines.faces.source import PackSource
from immich_aio.engines.model_files.pack_folder import PackFiles
from immich_aio.engines.runtimes import Choice


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> PackFiles:
    """Both networks, as InsightFace's zips have them."""
    return PackFiles(*write_pack(tmp_path_factory.mktemp("faces") / "buffalo_l"))


class Hub:
    """Where packs come from: at once, held back, or not at all."""

    def __init__(self, files: PackFiles) -> None:
        self.files = files
        self.failure: Exception | None = None
        self.asked: list[float] = []
        self.let_go = asyncio.Event()
        self.let_go.set()

    async def fetch(self, patience: float) -> PackFiles:
        self.asked.append(patience)
        await self.let_go.wait()
        if self.failure is not None:
            raise self.failure
        return self.files


def in_float32(workers: int = 2) -> Choice:
    """On ONNX Runtime, as the reference is."""
    return faces_choice("onnxruntime", "cpu", "f32", workers)


@contextlib.asynccontextmanager
async def engine_of(
    source: PackFiles | Hub,
    choice: Choice | None = None,
    *,
    queue_size: int = 64,
    idle_seconds: float = 0.0,
    limits: ImageLimits | None = None,
) -> AsyncIterator[FaceEngine]:
    hub = source if isinstance(source, Hub) else Hub(source)
    config = FaceEngineConfig(
        choice=choice or in_float32(),
        queue_size=queue_size,
        idle_seconds=idle_seconds,
        patience=900.0,
        limits=limits or ImageLimits(),
    )
    engine = FaceEngine(config, PackSource("buffalo_l", hub.fetch))
    try:
        yield engine
    finally:
        await engine.close()

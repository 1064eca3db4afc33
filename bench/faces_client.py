"""Immich's side: faces over HTTP in its machine-learning protocol."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import numpy as np
from numpy.typing import NDArray

MIN_SCORE = 0.5
TASK = "facial-recognition"
ENTRIES = json.dumps(
    {
        TASK: {
            "detection": {"modelName": "buffalo_l", "options": {"minScore": MIN_SCORE}},
            "recognition": {"modelName": "buffalo_l"},
        }
    }
)


@dataclass(frozen=True, slots=True)
class Found:
    """One image's faces, the surest first: boxes (faces, 4) and vectors (faces, 512)."""

    boxes: NDArray[np.float32]
    vectors: NDArray[np.float32]


async def find_faces(
    gateway: str, files: Sequence[bytes], concurrency: int
) -> tuple[float, list[Found]]:
    """Seconds for all files, so many at once, and what was found."""
    slots = asyncio.Semaphore(concurrency)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, timeout=aiohttp.ClientTimeout(total=300)
    ) as session:

        async def one(file: bytes) -> bytes:
            async with slots:
                return await _predict(session, gateway, file)

        started = time.perf_counter()
        replies = await asyncio.gather(*map(one, files))
        seconds = time.perf_counter() - started
    return seconds, [_found(json.loads(reply)) for reply in replies]


async def _predict(session: aiohttp.ClientSession, gateway: str, file: bytes) -> bytes:
    form = aiohttp.FormData()
    form.add_field("entries", ENTRIES)
    form.add_field("image", file, filename="blob", content_type="application/octet-stream")
    async with session.post(f"{gateway}/predict", data=form) as response:
        body = await response.read()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {body.decode()}")
    return body


def _found(reply: dict[str, list[dict[str, object]]]) -> Found:
    boxes = [list(face["boundingBox"].values()) for face in reply[TASK]]  # type: ignore[attr-defined]
    vectors = [json.loads(str(face["embedding"])) for face in reply[TASK]]
    return Found(np.array(boxes, np.float32), np.array(vectors, np.float32))

"""Immich's machine-learning protocol over real HTTP, with answers that a test decides."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from immich_aio.services.http.uploads import Upload
from tests.integration.services.live import live

SIZE = {"imageWidth": 200, "imageHeight": 100}
LINES = ["发票 Invoice 40", "蓝天白云 Hello World"]
CORNERS = [0.1, 0.1, 0.6, 0.1, 0.6, 0.2, 0.1, 0.2]


class MlServer:
    """Text, vectors and faces for every image; while ``failing`` it answers 503."""

    def __init__(self) -> None:
        self.url = ""
        self.lines: list[str] = LINES
        self.faces: list[tuple[int, int, int, int]] = []
        self.vectors: dict[str, str] = {}
        """By text; any other payload has a vector of its own."""
        self.image_vector: str | None = None
        """For every image, in place of one of its own."""
        self.failing: set[str] = set()
        self.held = asyncio.Event()
        self.held.set()
        self.waiting = asyncio.Event()
        """Someone was asked for while ``held`` was not set."""
        self.asked: list[tuple[dict[str, Any], str | None]] = []
        """Entries, and the text or the kind of the file."""
        self.app = Starlette(routes=[Route("/predict", self._answer, methods=["POST"])])

    def tasks(self, name: str) -> list[dict[str, Any]]:
        """What was asked of a task, in order."""
        return [entries[name] for entries, _ in self.asked if name in entries]

    async def _answer(self, request: Request) -> Response:
        parts = await Upload(request, 10**8).read_all()
        entries = json.loads(bytes(parts["entries"].data))
        text = bytes(parts["text"].data).decode() if "text" in parts else None
        image = bytes(parts["image"].data) if "image" in parts else None
        self.asked.append((entries, text if image is None else parts["image"].filename))
        if not self.held.is_set():
            self.waiting.set()
        await self.held.wait()
        (task,) = entries  # Immich asks one at a time
        if task in self.failing:
            return JSONResponse({"detail": "no such model here"}, 503)
        return JSONResponse(self._reply(task, entries, text, image))

    def _reply(
        self, task: str, entries: dict[str, Any], text: str | None, image: bytes | None
    ) -> dict[str, Any]:
        if task == "ocr":
            scores = [0.95] * len(self.lines)
            boxes = CORNERS * len(self.lines)
            ocr = {"text": self.lines, "box": boxes, "boxScore": scores, "textScore": scores}
            return {"ocr": ocr, **SIZE}
        if task == "facial-recognition":
            faces = [
                {
                    "boundingBox": dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)),
                    "embedding": vector_of(str(box)),
                    "score": 0.9,
                }
                for box in self.faces
            ]
            return {"facial-recognition": faces, **SIZE}
        if "textual" in entries["clip"]:
            assert text is not None
            return {"clip": self.vectors.get(text) or vector_of(text)}
        assert image is not None
        return {"clip": self.image_vector or vector_of(hashlib.sha256(image).hexdigest()), **SIZE}


def vector_of(payload: str, size: int = 512) -> str:
    """The unit vector that belongs to a payload, as JSON."""
    seed = int.from_bytes(hashlib.sha256(payload.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).standard_normal(size)
    return json.dumps([round(float(value), 6) for value in vector / np.linalg.norm(vector)])


@contextlib.asynccontextmanager
async def ml_server() -> AsyncIterator[MlServer]:
    """A server; ``url`` says where."""
    server = MlServer()
    async with live(server.app) as server.url:
        yield server

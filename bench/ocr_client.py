"""Immich's side: OCR requests over HTTP in its machine-learning protocol."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp

from bench.ocr_canvas import Quad

ENTRIES = json.dumps(
    {
        "ocr": {
            "detection": {
                "modelName": "PP-OCRv5_mobile",
                "options": {"minScore": 0.5, "maxResolution": 736},
            },
            # RapidOCR's own threshold, so that both sides keep the same lines.
            "recognition": {"modelName": "PP-OCRv5_mobile", "options": {"minScore": 0.5}},
        }
    }
)

STAGES = re.compile(r"\b(?:queue|decode|detect|recognise);dur=([\d.]+)")
"""The engine's own, of the ``Server-Timing`` that the gateway's are in too."""

Line = tuple[str, Quad]


@dataclass(frozen=True)
class Answer:
    """One reply: the lines, in pixels, and milliseconds outside and inside the engine."""

    lines: list[Line]
    total_ms: float
    engine_ms: float


async def read_all(
    gateway: str, images: Mapping[str, bytes], concurrency: int
) -> tuple[float, dict[str, Answer]]:
    """Read every image, so many at once; the seconds it took, and the answers by name."""
    slots = asyncio.Semaphore(concurrency)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def one(image: bytes) -> Answer:
            async with slots:
                return await _read(session, gateway, image)

        started = time.perf_counter()
        answers = await asyncio.gather(*(one(image) for image in images.values()))
        return time.perf_counter() - started, dict(zip(images, answers, strict=True))


async def ping_while_busy(gateway: str, images: Sequence[bytes]) -> list[float]:
    """Milliseconds of one ``/ping`` after another while all the images are read at once."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        work = asyncio.gather(*(_read(session, gateway, image) for image in images))
        times: list[float] = []
        while not work.done():
            started = time.perf_counter()
            async with session.get(f"{gateway}/ping") as response:
                await response.read()
            times.append((time.perf_counter() - started) * 1e3)
            await asyncio.sleep(0.005)
        await work
        return times


async def _read(session: aiohttp.ClientSession, gateway: str, image: bytes) -> Answer:
    form = aiohttp.FormData()
    form.add_field("entries", ENTRIES)
    form.add_field("image", image, filename="blob", content_type="application/octet-stream")
    started = time.perf_counter()
    async with session.post(f"{gateway}/predict", data=form) as response:
        body = await response.read()
        total = (time.perf_counter() - started) * 1e3
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {body.decode()}")
        inside = STAGES.findall(response.headers["Server-Timing"])
    return Answer(_lines(json.loads(body)), total, sum(float(value) for value in inside))


def _lines(reply: dict[str, object]) -> list[Line]:
    ocr, width, height = reply["ocr"], reply["imageWidth"], reply["imageHeight"]
    assert isinstance(ocr, dict)
    assert isinstance(width, int)
    assert isinstance(height, int)
    lines: list[Line] = []
    for index, text in enumerate(ocr["text"]):
        flat = ocr["box"][index * 8 : index * 8 + 8]
        quad = tuple((x * width, y * height) for x, y in zip(flat[::2], flat[1::2], strict=True))
        lines.append((text, quad))
    return lines

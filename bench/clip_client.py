"""Immich's side: CLIP requests over HTTP in its machine-learning protocol."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence

import aiohttp
import numpy as np
from numpy.typing import NDArray

NAME = "ViT-B-32__openai"
VISUAL = json.dumps({"clip": {"visual": {"modelName": NAME}}})
TEXTUAL = json.dumps({"clip": {"textual": {"modelName": NAME, "options": {"language": "zh-CN"}}}})

Vector = NDArray[np.float32]


async def encode_images(
    gateway: str, files: Sequence[bytes], concurrency: int
) -> tuple[float, NDArray[np.float32]]:
    """Seconds for all files, so many at once, and their vectors."""
    slots = asyncio.Semaphore(concurrency)
    async with _session() as session:

        async def one(file: bytes) -> Vector:
            async with slots:
                return await _predict(session, gateway, image=file)

        started = time.perf_counter()
        vectors = await asyncio.gather(*map(one, files))
        return time.perf_counter() - started, np.stack(vectors)


async def encode_texts(gateway: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """The vectors of texts, one after another."""
    async with _session() as session:
        return np.stack([await _predict(session, gateway, text=text) for text in texts])


async def text_times_under_load(
    gateway: str, files: Sequence[bytes], texts: Sequence[str], *, concurrency: int, count: int
) -> list[float]:
    """Milliseconds of ``count`` text queries, one after another, while images never end."""
    async with _session() as session:

        async def back_fill() -> None:
            while True:
                for file in files:
                    await _predict(session, gateway, image=file)

        load = [asyncio.create_task(back_fill()) for _ in range(concurrency)]
        await asyncio.sleep(2)  # until every image lane is busy
        times = []
        for number in range(count):
            started = time.perf_counter()
            await _predict(session, gateway, text=texts[number % len(texts)])
            times.append((time.perf_counter() - started) * 1e3)
            await asyncio.sleep(0.03)
        for task in load:
            task.cancel()
        await asyncio.gather(*load, return_exceptions=True)
        return times


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


async def _predict(
    session: aiohttp.ClientSession,
    gateway: str,
    *,
    image: bytes | None = None,
    text: str | None = None,
) -> Vector:
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("entries", TEXTUAL if image is None else VISUAL)
    if image is not None:
        form.add_field("image", image, filename="blob", content_type="application/octet-stream")
    if text is not None:
        form.add_field("text", text)
    async with session.post(f"{gateway}/predict", data=form) as response:
        body = await response.read()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {body.decode()}")
    return np.array(json.loads(json.loads(body)["clip"]), np.float32)

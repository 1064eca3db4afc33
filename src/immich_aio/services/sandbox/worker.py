"""Takes jobs from Immich's queues and does them as Immich does.

A job that fails is logged and counts as done: Immich swallows the error, and never tries again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import bullmq

from immich_aio.domain.immich import AssetType, Shape, Visibility
from immich_aio.errors import AioError, BadImageError
from immich_aio.services.sandbox import media
from immich_aio.services.sandbox.data import Data
from immich_aio.services.sandbox.library import Library
from immich_aio.services.sandbox.queues import (
    ALL_OF,
    CLIP,
    CONCURRENCY,
    FACES,
    METADATA,
    OCR,
    THUMBNAILS,
    VIDEO,
    Job,
)
from immich_aio.services.sandbox.recognition import Recognition
from immich_aio.upstream.bullmq import PREFIX, JobQueues

log = logging.getLogger(__name__)

OPTIONS = {"name": "microservices", "lockDuration": 10_000, "stalledInterval": 5_000}
"""Shorter than usual, in milliseconds: jobs of a worker that was killed are soon taken up again."""
CLOSE_AGAIN = 0.05
"""Seconds after which it is looked again whether a worker has begun, or has ended."""
MISSING = {
    OCR: ("all_for_ocr", "missing_for_ocr"),
    CLIP: ("all_with_preview", "missing_embedding"),
    FACES: ("all_with_preview", "missing_faces"),
    THUMBNAILS: ("all_assets", "missing_preview"),
    METADATA: ("all_assets", "missing_metadata"),
}
"""For which assets a job is queued: for all, or for those that miss something."""
TRUNCATED = {OCR: "forget_all_ocr", CLIP: "forget_all_embeddings"}
"""What Immich empties before it reads everything again."""

Data_ = dict[str, Any]
Ready = Callable[[UUID, UUID], Awaitable[None]]
"""Told of an asset's owner and the asset, when its preview is there."""


class Worker:
    """Workers for all queues that the miniature knows."""

    def __init__(
        self, data: Data, library: Library, queues: JobQueues, recognition: Recognition
    ) -> None:
        self._data = data
        self._library = library
        self._queues = queues
        self._workers: dict[bullmq.Worker, asyncio.Task[None]] = {}
        self._on_ready: Ready | None = None
        self.lost: Counter[str] = Counter()
        """How many jobs failed, by name."""
        self._handlers: dict[str, Callable[[Data_], Awaitable[None]]] = {
            METADATA.name: self._metadata,
            THUMBNAILS.name: self._thumbnails,
            OCR.name: lambda data: recognition.ocr(data["id"]),
            CLIP.name: lambda data: recognition.clip(data["id"]),
            FACES.name: lambda data: recognition.faces(data["id"]),
            VIDEO.name: self._video,
        }
        for job in MISSING:
            self._handlers[ALL_OF[job.queue]] = self._queue_all(job)

    def start(self, redis_url: str, *, on_ready: Ready | None = None) -> None:
        """Begin to take jobs."""
        self._on_ready = on_ready
        for queue, concurrency in CONCURRENCY.items():
            options = {"connection": redis_url, "prefix": PREFIX, "concurrency": concurrency}
            worker = bullmq.Worker(queue, self._run, {**options, **OPTIONS, "autorun": False})
            worker.on("error", lambda error, *_: log.warning("a queue is out of reach: %s", error))
            self._workers[worker] = asyncio.create_task(worker.run())

    async def close(self) -> None:
        """Take no more jobs, and finish those that run."""
        await asyncio.gather(*(_close(*each) for each in self._workers.items()))
        self._workers.clear()

    async def _run(self, job: bullmq.Job, _token: str) -> None:
        handler = self._handlers.get(job.name)
        if handler is None:
            log.warning('Skipping unknown job: "%s"', job.name)
            return
        try:
            await handler(job.data or {})
        except AioError as error:
            self._lose(job, error)
        except Exception:
            self.lost[job.name] += 1
            log.exception("job %s of %s is lost", job.name, _subject(job))

    def _lose(self, job: bullmq.Job, error: AioError) -> None:
        """Say it of every file at fault; of a server at fault once, for it fails hundreds."""
        self.lost[job.name] += 1
        often = self.lost[job.name] > 1 and not isinstance(error, BadImageError)
        level = logging.DEBUG if often else logging.WARNING
        log.log(level, "job %s of %s is lost: %s", job.name, _subject(job), error.message)

    async def _metadata(self, data: Data_) -> None:
        """Read the file's metadata; after an upload the thumbnails follow."""
        asset = await self._data.row("asset_for_job", id=data["id"])
        if asset is None:
            return
        path, kind = self._library.path(asset), AssetType(asset["type"])
        try:
            found = await asyncio.to_thread(media.read_metadata, path, kind)
        except AioError as error:  # then the file's size is all that is known
            log.info("no metadata: %s", error.message)
            found = media.Metadata()
        await self._save_metadata(asset["id"], path.stat().st_size, found)
        if data.get("source") == "upload":
            await self._queues.add(THUMBNAILS.queue, THUMBNAILS.name, [data["id"]], source="upload")

    async def _save_metadata(self, asset_id: UUID, size: int, found: media.Metadata) -> None:
        await self._data.run(
            "save_exif",
            id=asset_id,
            size=size,
            modified_at=found.taken_at,
            **{name: getattr(found, name) for name in media.Metadata.__dataclass_fields__},
        )
        if found.taken_at is not None:
            await self._data.run("save_dates", id=asset_id, taken_at=found.taken_at)
        if self._data.shape is not Shape.V2_2:
            width, height = found.upright_size
            await self._data.run("save_size", id=asset_id, width=width, height=height)
        await self._data.run("metadata_done", id=asset_id)

    async def _thumbnails(self, data: Data_) -> None:
        """Make preview and thumbnail; after an upload the machine-learning jobs follow."""
        asset = await self._data.row("asset_for_job", id=data["id"])
        if asset is None:
            return
        path, kind = self._library.path(asset), AssetType(asset["type"])
        made = await asyncio.to_thread(media.make_thumbnails, path, kind)
        files = (("preview", ".jpeg", made.preview), ("thumbnail", ".webp", made.thumbnail))
        for size, suffix, content in files:
            target = self._library.thumbnail_path(asset["ownerId"], asset["id"], size, suffix)
            await asyncio.to_thread(target.write_bytes, content)
            await self._data.run("save_file", id=asset["id"], type=size, path=str(target))
        await self._data.run("save_thumbhash", id=asset["id"], thumbhash=made.thumbhash)
        if data.get("source") != "upload" and not data.get("notify"):
            return
        for job in (CLIP, FACES, OCR):
            rest = {key: value for key, value in data.items() if key != "id"}
            await self._queues.add(job.queue, job.name, [data["id"]], **rest)
        if self._on_ready is not None and asset["visibility"] in (
            Visibility.TIMELINE.value,
            Visibility.ARCHIVE.value,
        ):
            await self._on_ready(asset["ownerId"], asset["id"])

    async def _video(self, data: Data_) -> None:
        log.info("videos are not encoded here; %s stays as it is", data.get("id"))

    def _queue_all(self, job: Job) -> Callable[[Data_], Awaitable[None]]:
        every, missing = MISSING[job]

        async def queue_all(data: Data_) -> None:
            force = bool(data.get("force"))
            if force and job in TRUNCATED:
                await self._data.run(TRUNCATED[job])
            rows = await self._data.rows(every if force else missing)
            await self._queues.add(job.queue, job.name, [row["id"] for row in rows])

        return queue_all


async def _close(worker: bullmq.Worker, run: asyncio.Task[None]) -> None:
    """Close a worker, but not before it has begun, for then it would go on without a connection;
    and one that began to wait for jobs just then would wait on for seconds.
    """
    while not worker.running and not run.done():
        await asyncio.wait({run}, timeout=CLOSE_AGAIN)
    closing = asyncio.ensure_future(worker.close())
    while not (await asyncio.wait({closing}, timeout=CLOSE_AGAIN))[0]:
        if worker.waiting is not None:
            worker.waiting.cancel()
    await closing
    await asyncio.gather(run, return_exceptions=True)


def _subject(job: bullmq.Job) -> object:
    return (job.data or {}).get("id", "all assets")

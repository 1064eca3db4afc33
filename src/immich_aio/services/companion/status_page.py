"""``GET /aio/api/status``: how each part stands, for Immich's administrators."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg_pool import PoolTimeout
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from immich_aio import __version__
from immich_aio.domain.clip_models import IMMICHS_DEFAULT, immich_dimension
from immich_aio.domain.tasks import ClipTextTask
from immich_aio.errors import AioError, UnavailableError
from immich_aio.services.companion.index_keeper import IndexKeeper
from immich_aio.services.companion.keeper_status import State
from immich_aio.services.companion.page_door import PageDoor
from immich_aio.services.companion.query_vectors import QueryVectors
from immich_aio.services.companion.recent_errors import RecentErrors
from immich_aio.store.viewers import clip_model_name
from immich_aio.upstream.http import HttpClient
from immich_aio.upstream.immich_api import ImmichApi

if TYPE_CHECKING:  # where nothing is refreshed there need be no Redis
    from immich_aio.upstream.immich_jobs import ImmichJobs

QUEUES = ("thumbnailGeneration", "ocr", "smartSearch", "faceDetection", "facialRecognition")
"""Immich's queues that matter for what is searched."""
SWITCHES = ("ocr", "smartSearch", "facialRecognition")
TRIED = "photo"
"""What is asked of whatever makes vectors of queries, to see that it does."""
Facts = dict[str, object]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the status is about. ``jobs`` is the reason where there is no way to the queues."""

    api: ImmichApi
    keeper: IndexKeeper
    vectors: QueryVectors
    jobs: ImmichJobs | UnavailableError
    errors: RecentErrors
    model: str | None = None
    """The CLIP model's name in Immich, where a setting gives it."""
    gateway: HttpClient | None = None
    """What makes vectors of queries, which may be our gateway."""
    began: float = field(default_factory=time.monotonic)


class StatusPage:
    """The status page and what it asks for."""

    def __init__(self, door: PageDoor, parts: Parts) -> None:
        self._door = door
        self._parts = parts
        self._meaning: Facts | None = None

    async def page(self, request: Request) -> Response:
        """The page itself."""
        return await self._door.page(request, "status.html")

    async def status(self, request: Request) -> Response:
        """How everything stands; with ``?try=1`` a vector of a query is asked for anew."""
        await self._door.admin(request)
        parts = self._parts
        if self._meaning is None or "try" in request.query_params:
            self._meaning = await self._tried()
        report: Facts = {
            "version": __version__,
            "uptime": round(time.monotonic() - parts.began),
            "immich": await _immich(parts.api),
            "search": await _search(parts.keeper),
            "meaning": self._meaning,
            "gateway": await _gateway(parts.gateway),
            "queues": await _queues(parts.jobs),
            "errors": parts.errors.told(),
        }
        return JSONResponse(report, headers={"Cache-Control": "no-store"})

    async def _tried(self) -> Facts:
        """The CLIP model that Immich has, how long its vectors are, and whether ours are."""
        keeper, vectors = self._parts.keeper, self._parts.vectors
        tables = keeper.status().tables
        name = self._parts.model or await _model_name(keeper)
        tried = await vectors.of(ClipTextTask(name or IMMICHS_DEFAULT, None), TRIED)
        return {
            "model": name,
            "listed": None if name is None else immich_dimension(name),
            "column": None if tables is None else tables.dimensions,
            "answered": None if tried.vector is None else len(tried.vector),
            "reason": tried.reason,
        }


async def _model_name(keeper: IndexKeeper) -> str | None:
    """As Immich's settings have it; None while that cannot be told."""
    try:
        return await clip_model_name(keeper.parts.database) or IMMICHS_DEFAULT
    except (AioError, psycopg.Error, PoolTimeout):
        return None


async def _immich(api: ImmichApi) -> Facts:
    try:
        version = await api.version()
        features: Mapping[str, Any] = await api.record("/api/server/features")
    except AioError as error:
        return {"reachable": False, "reason": error.message, "version": None, "switches": {}}
    switches = {name: features.get(name) is not False for name in SWITCHES}
    return {"reachable": True, "reason": "", "version": version, "switches": switches}


async def _search(keeper: IndexKeeper) -> Facts:
    status = keeper.status()
    facts: Facts = {
        "state": status.state.name.lower(),
        "reason": status.reason,
        "segmenter": status.segmenter,
        "made": [status.done, status.total] if status.state is State.MAKING else None,
        "lag": status.lag,
        "taken_over": status.written,
        "elsewhere": status.elsewhere,
        "shape": None if status.tables is None else status.tables.shape.value,
        "vector_index": None if status.tables is None else status.tables.vector_index,
    }
    try:
        figures = await keeper.figures()
    except AioError:
        return facts | {"documents": None}
    return facts | {
        "documents": figures.index.documents,
        "bytes": figures.index.bytes,
        "behind": figures.behind,
        "photos_with_text": figures.photos_with_text,
    }


async def _gateway(client: HttpClient | None) -> Facts | None:
    """The gateway and its backends; None for a server that is none of ours."""
    if client is None:
        return None
    try:
        reply = await client.exchange("GET", "/status")
    except AioError as error:
        return {"reachable": False, "reason": error.message, "version": None, "backends": []}
    try:
        told = json.loads(reply.body)
        backends = [
            {"name": one["name"], "reachable": one["reachable"], "reason": one["reason"]}
            for one in told["backends"]
        ]
        return {
            "reachable": True,
            "reason": "",
            "version": told["version"],
            "waiting": told["waiting"]["requests"],
            "backends": backends,
        }
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


async def _queues(jobs: ImmichJobs | UnavailableError) -> Facts:
    if isinstance(jobs, UnavailableError):
        return {"reason": jobs.message, "queues": []}
    try:
        return {"reason": "", "queues": [await _queue(jobs, name) for name in QUEUES]}
    except UnavailableError as error:
        return {"reason": error.message, "queues": []}


async def _queue(jobs: ImmichJobs, name: str) -> Facts:
    counts = await jobs.counts(name)
    return {
        "name": name,
        "active": counts.active,
        "waiting": counts.waiting + counts.delayed + counts.paused,
        "failed": counts.failed,
        "paused": await jobs.is_paused(name),
    }

"""The vectors of queries: asked of whatever can make them, kept for a minute, not waited for long.

Without one a search goes by text, so a reason takes the place of an error here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from immich_aio.domain.clip_models import mismatch
from immich_aio.domain.routes import Rule
from immich_aio.domain.tasks import ClipTextTask
from immich_aio.engines.protocol import ClipBackend
from immich_aio.errors import AioError, BadInputError
from immich_aio.upstream.immich_ml import ImmichMlClient

KEPT = 256
FRESH = 60.0
"""Seconds for which a vector is kept: while somebody turns pages. Whoever makes them keeps them
longer, and knows when their model has changed."""
REST = 10.0
"""Seconds for which nobody is asked after a query has waited in vain."""
_LOG = logging.getLogger(__name__)


class TextEncoder(Protocol):
    """What can make vectors of texts."""

    async def vector(self, task: ClipTextTask, text: str) -> Sequence[float]:
        """The vector by the model that the task names as Immich does. Raises AioError."""
        ...

    async def close(self) -> None:
        """Give back what it holds."""
        ...


@dataclass(frozen=True, slots=True)
class QueryVector:
    """A vector, or why there is none."""

    vector: Sequence[float] | None
    reason: str = ""


class QueryVectors:
    """Vectors of queries by ``encoder``; without one there is only ``missing``, the reason."""

    def __init__(self, encoder: TextEncoder | None, seconds: float, missing: str = "") -> None:
        self._encoder = encoder
        self._seconds = seconds
        self._missing = missing
        self._kept: OrderedDict[tuple[ClipTextTask, str], tuple[float, Sequence[float]]]
        self._kept = OrderedDict()
        self._resting_until = 0.0
        self._told = ""

    async def of(self, task: ClipTextTask, text: str) -> QueryVector:
        """The vector of a text."""
        if self._encoder is None:
            return QueryVector(None, self._missing)
        kept = self._kept.get((task, text))
        if kept is not None and time.monotonic() - kept[0] <= FRESH:
            return QueryVector(kept[1])
        if time.monotonic() < self._resting_until:
            return QueryVector(None, "what makes vectors of queries did not answer in time")
        try:
            async with asyncio.timeout(self._seconds):
                vector = await self._encoder.vector(task, text)
        except TimeoutError:
            self._resting_until = time.monotonic() + REST
            return self._failed(f"no vector of the query came within {self._seconds:g} s")
        except AioError as error:
            return self._failed(error.message.removesuffix("."))
        self._told = ""
        self._keep((task, text), vector)
        return QueryVector(vector)

    async def close(self) -> None:
        """Close what makes them."""
        if self._encoder is not None:
            await self._encoder.close()

    def _failed(self, reason: str) -> QueryVector:
        if reason != self._told:
            _LOG.warning("Searches go without the meaning of their words: %s.", reason)
        self._told = reason
        return QueryVector(None, reason)

    def _keep(self, key: tuple[ClipTextTask, str], vector: Sequence[float]) -> None:
        self._kept.pop(key, None)
        self._kept[key] = (time.monotonic(), vector)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)


class AskedServer:
    """The gateway, or another server that speaks Immich's machine-learning protocol."""

    def __init__(self, client: ImmichMlClient) -> None:
        self._client = client

    async def vector(self, task: ClipTextTask, text: str) -> Sequence[float]:
        """See ``TextEncoder``."""
        embedding = await self._client.encode_text(task, text)
        return list(map(float, embedding.vector))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


class AskedEngine:
    """An engine of this process, which is not ours to close.

    It answers for those of Immich's models that ``rule`` is about.
    """

    def __init__(self, engine: ClipBackend, rule: Rule) -> None:
        self._engine = engine
        self._rule = rule

    async def vector(self, task: ClipTextTask, text: str) -> Sequence[float]:
        """See ``TextEncoder``. Raises BadInputError where Immich's model is another than ours."""
        if not self._rule.matches(task):
            raise BadInputError(f"CLIP_MODEL does not answer to Immich's model {task.model}.")
        embedding = await self._engine.encode_text(text)
        if wrong := mismatch(task.model, self._engine.model().name, len(embedding.vector)):
            raise BadInputError(wrong)
        return list(map(float, embedding.vector))

    async def close(self) -> None:
        """Nothing to close."""

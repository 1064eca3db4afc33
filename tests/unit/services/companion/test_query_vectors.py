"""Vectors of queries: kept for a while, and never waited for long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from immich_aio.domain.routes import Rule
from immich_aio.domain.tasks import ClipTextTask
from immich_aio.errors import UnreachableError
from immich_aio.services.companion import query_vectors
from immich_aio.services.companion.query_vectors import AskedEngine, QueryVectors
from tests.integration.services.live import ClipDouble

TASK = ClipTextTask("ViT-B-32__openai", "de")


class Encoder:
    """Answers with the number of times that it was asked; or fails; or never answers."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.hangs = False

    async def vector(self, _task: ClipTextTask, text: str) -> Sequence[float]:
        self.asked.append(text)
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return [float(len(self.asked))]

    async def close(self) -> None:
        """Nothing to close."""


async def test_a_vector_is_kept_by_model_language_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = QueryVectors(encoder := Encoder(), 1)
    assert [(await vectors.of(TASK, "sea")).vector for _ in range(2)] == [[1.0], [1.0]]
    assert (await vectors.of(ClipTextTask(TASK.model, "en"), "sea")).vector == [2.0]
    assert (await vectors.of(ClipTextTask("RN50__openai", "de"), "sea")).vector == [3.0]
    monkeypatch.setattr(query_vectors, "FRESH", 0.0)
    assert (await vectors.of(TASK, "sea")).vector == [4.0]
    assert len(encoder.asked) == 4


async def test_a_failure_is_a_reason_and_is_not_kept() -> None:
    vectors = QueryVectors(encoder := Encoder(), 1)
    encoder.error = UnreachableError("The gateway cannot be reached.")
    found = await vectors.of(TASK, "sea")
    assert (found.vector, found.reason) == (None, "The gateway cannot be reached")
    encoder.error = None
    assert (await vectors.of(TASK, "sea")).vector == [2.0]


async def test_whoever_lets_a_query_wait_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vectors = QueryVectors(encoder := Encoder(), 0.01)
    encoder.hangs = True
    assert (await vectors.of(TASK, "sea")).vector is None
    encoder.hangs = False
    assert "did not answer" in (await vectors.of(TASK, "sea")).reason
    assert encoder.asked == ["sea"]
    vectors = QueryVectors(encoder, 0.01)
    monkeypatch.setattr(query_vectors, "REST", 0.0)
    encoder.hangs = True
    assert (await vectors.of(TASK, "sea")).vector is None
    encoder.hangs = False
    assert (await vectors.of(TASK, "sea")).vector is not None


async def test_without_anybody_to_ask_it_is_said_what_to_set() -> None:
    found = await QueryVectors(None, 1, "set something").of(TASK, "sea")
    assert (found.vector, found.reason) == (None, "set something")


async def test_an_engine_answers_to_its_own_models_and_lengths_only() -> None:
    rule = Rule((), task="clip", models=("ViT-B-32__openai", "ViT-L-14__openai"))
    vectors = QueryVectors(AskedEngine(ClipDouble(), rule), 1)
    assert np.allclose((await vectors.of(TASK, "sea")).vector, 512**-0.5)
    assert "does not answer" in (await vectors.of(ClipTextTask("RN50__openai"), "sea")).reason
    assert "768 numbers" in (await vectors.of(ClipTextTask("ViT-L-14__openai"), "sea")).reason

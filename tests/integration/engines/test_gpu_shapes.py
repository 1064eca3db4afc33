"""The shapes that networks are given on a GPU: few, and text is read as well in them.

Run on a CPU here; the arithmetic is another there, the shapes are not.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.character_error import character_errors
from bench.ocr_canvas import encode
from bench.ocr_images import draw_bench_set
from immich_aio.domain.images import ImageLimits
from immich_aio.domain.tasks import OcrOptions
from immich_aio.engines.ocr import engine as ocr
from immich_aio.engines.ocr.engine import OcrEngine, OcrEngineConfig
from immich_aio.engines.ocr.input_shapes import ON_CUDA
from immich_aio.engines.ocr.models import CLASSIFIER, OcrModels, load_models, model_folder
from immich_aio.engines.runtimes import Choice, choose
from immich_aio.engines.sessions import InFewBatches, Model, Session, Tensor, load

Seen = set[tuple[int, ...]]


class Watched:
    """A session, or a model's sessions, that remember the shapes they are given."""

    def __init__(self, inner: Any, seen: Seen) -> None:  # noqa: ANN401  # a Model or a Session
        self._inner = inner
        self._seen = seen

    def session(self) -> Session:
        return InFewBatches(Watched(self._inner.session(), self._seen))

    def metadata(self, key: str) -> str:
        return str(self._inner.metadata(key))

    def run(self, batch: NDArray[Any]) -> Tensor:
        return self.run_all(batch)[0]

    def run_all(self, batch: NDArray[Any]) -> list[Tensor]:
        self._seen.add(batch.shape)
        return [np.array(output) for output in self._inner.run_all(batch)]


@pytest.fixture(scope="module")
def classifier() -> Model:
    return load(model_folder() / CLASSIFIER, choose("onnxruntime", "cpu", 1))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13])
def test_a_batch_is_filled_up_and_answered_as_it_is(classifier: Model, count: int) -> None:
    batch = np.random.default_rng(count).uniform(-1, 1, (count, 3, 48, 192)).astype(np.float32)
    seen: Seen = set()
    found = Watched(classifier, seen).session().run(batch)
    (size,) = {shape[0] for shape in seen}
    assert size in {1, 2, 4, 8, 16}
    assert size < 2 * count
    np.testing.assert_allclose(found, classifier.session().run(batch), atol=1e-5)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Seen]:
    """What each network of an engine that is made from now on is given: a GPU's shapes."""
    seen: dict[str, Seen] = {"detector": set(), "recogniser": set(), "classifier": set()}

    def watched(choice: Choice) -> OcrModels:
        models = load_models(choice)
        each: Any = {name: Watched(getattr(models, name), seen[name]) for name in seen}
        return dataclasses.replace(models, shapes=ON_CUDA, **each)

    monkeypatch.setattr(ocr, "load_models", watched)
    return seen


async def test_in_the_few_shapes_of_a_gpu_text_is_read_as_well(seen: dict[str, Seen]) -> None:
    images = draw_bench_set()[::6]
    engine = OcrEngine(OcrEngineConfig(choose("auto", "cpu", 2), 16, 960, ImageLimits()))
    results = [await engine.read(encode(one.image), OcrOptions()) for one in images]
    await engine.close()
    counts = [
        character_errors(
            one.runs, [(line.text, line.corners.points) for line in result.lines], one.page_angle
        )
        for one, result in zip(images, results, strict=True)
    ]
    assert sum(wrong for wrong, _ in counts) / sum(length for _, length in counts) < 0.005
    assert all(side % 320 == 0 for shape in seen["detector"] for side in shape[2:])
    assert {shape[0] for shape in seen["recogniser"]} <= {1, 2, 4, 8, 16}
    assert {shape[3] for shape in seen["recogniser"]} <= set(range(320, 1921, 320))

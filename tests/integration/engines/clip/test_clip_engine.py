"""The engine over a real, tiny model: vectors, lanes, limits, and memory that comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import io
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.clip_samples import TEXTS, picture_file
from immich_aio.domain.images import ImageLimits
from immich_aio.engines.clip.choice import clip_choice
from immich_aio.engines.clip.conversion import converted
from immich_aio.engines.clip.engine import ClipEngine, ClipEngineConfig
from immich_aio.engines.clip.source import ModelSource
from immich_aio.errors import (
    BadCheckpointError,
    BadImageError,
    ModelMissingError,
    OverloadedError,
    TooLargeError,
    UnavailableError,
)
from tests.clip_golden import IMAGES, TINY, golden, least_cosine

PATIENCE = 30.0


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return Path(shutil.copy(TINY, tmp_path / "tiny.pt"))


class Hub:
    """Where checkpoints come from: at once, held back, or not at all."""

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint = checkpoint
        self.failure: Exception | None = None
        self.asked: list[float] = []
        self.let_go = asyncio.Event()
        self.let_go.set()

    async def fetch(self, patience: float) -> Path:
        self.asked.append(patience)
        await self.let_go.wait()
        if self.failure is not None:
            raise self.failure
        return self.checkpoint

    def source(self) -> ModelSource:
        return ModelSource("tiny", "f32", self.checkpoint, self.fetch)


@contextlib.asynccontextmanager
async def engine_of(
    hub: Hub,
    *,
    queue_size: int = 64,
    batch: int = 8,
    idle_seconds: float = 0.0,
    limits: ImageLimits | None = None,
) -> AsyncIterator[ClipEngine]:
    config = ClipEngineConfig(
        choice=clip_choice("onnxruntime", "cpu", "f32", 2),
        queue_size=queue_size,
        batch=batch,
        idle_seconds=idle_seconds,
        image_patience=900.0,
        text_patience=10.0,
        limits=limits or ImageLimits(),
    )
    engine = ClipEngine(config, hub.source())
    try:
        yield engine
    finally:
        await engine.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens on another thread."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


async def test_files_and_texts_become_the_references_vectors(checkpoint: Path) -> None:
    async with engine_of(Hub(checkpoint)) as engine:
        images = await asyncio.gather(*(engine.encode_image(file) for file in IMAGES))
        texts = await asyncio.gather(*(engine.encode_text(text) for text in TEXTS))
    expected = golden("tiny")
    assert least_cosine(np.stack([each.vector for each in images]), expected[0]) >= 0.99999
    assert least_cosine(np.stack([each.vector for each in texts]), expected[1]) >= 0.99999
    sizes = [(each.width, each.height) for each in images]
    assert sizes == [Image.open(io.BytesIO(file)).size for file in IMAGES]
    assert {(each.width, each.height) for each in texts} == {(None, None)}


async def test_a_vector_does_not_depend_on_who_is_in_its_batch(checkpoint: Path) -> None:
    file = IMAGES[0]
    async with engine_of(Hub(checkpoint)) as engine:
        alone = await engine.encode_image(file)
        mates = [picture_file(number, 50, 50) for number in range(20)]
        among = await asyncio.gather(*(engine.encode_image(each) for each in [*mates, file]))
        text_alone = await engine.encode_text("发票")
        texts_among = await asyncio.gather(*map(engine.encode_text, ["发票" * 20, "a", "发票"]))
    assert alone.vector @ among[-1].vector == pytest.approx(1, abs=1e-6)
    assert text_alone.vector @ texts_among[-1].vector == pytest.approx(1, abs=1e-6)


async def test_a_photo_is_seen_upright(checkpoint: Path) -> None:
    picture = Image.open(io.BytesIO(IMAGES[0]))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise when it is shown
    turned, upright = io.BytesIO(), io.BytesIO()
    picture.save(turned, "PNG", exif=exif)
    picture.transpose(Image.Transpose.ROTATE_270).save(upright, "PNG")
    async with engine_of(Hub(checkpoint)) as engine:
        one = await engine.encode_image(turned.getvalue())
        other = await engine.encode_image(upright.getvalue())
    assert one == other
    assert (one.width, one.height) == (picture.height, picture.width)


async def test_what_cannot_be_decoded_fails_alone(checkpoint: Path) -> None:
    async with engine_of(Hub(checkpoint), limits=ImageLimits(max_pixels=100_000)) as engine:
        good, text_file, huge = await asyncio.gather(
            engine.encode_image(IMAGES[0]),
            engine.encode_image(b"no image"),
            engine.encode_image(picture_file(1, 400, 300)),
            return_exceptions=True,
        )
    assert not isinstance(good, BaseException)
    assert isinstance(text_file, BadImageError)
    assert isinstance(huge, TooLargeError)


async def test_results_say_where_the_time_went(checkpoint: Path) -> None:
    async with engine_of(Hub(checkpoint)) as engine:
        image = (await engine.encode_image(IMAGES[0])).timings
        text = (await engine.encode_text("发票")).timings
    assert min(image.queue, text.queue) >= 0
    assert min(image.decode, image.encode, text.encode) > 0
    assert text.decode == 0


async def test_a_full_queue_refuses_and_everyone_inside_is_served(checkpoint: Path) -> None:
    hub = Hub(checkpoint)
    hub.let_go.clear()
    async with engine_of(hub, queue_size=2, batch=1) as engine:
        inside = [asyncio.create_task(engine.encode_image(file)) for file in IMAGES[:3]]
        await until(lambda: len(hub.asked) == 3)
        with pytest.raises(OverloadedError, match="CLIP_QUEUE_SIZE"):
            await engine.encode_image(IMAGES[3])
        hub.let_go.set()
        assert len(await asyncio.gather(*inside)) == 3
        assert (await engine.encode_image(IMAGES[3])).vector.shape == (512,)


async def test_a_caller_who_hangs_up_frees_his_place(checkpoint: Path) -> None:
    hub = Hub(checkpoint)
    hub.let_go.clear()
    async with engine_of(hub, queue_size=1, batch=1) as engine:
        gone = asyncio.create_task(engine.encode_image(IMAGES[0]))
        stays = asyncio.create_task(engine.encode_image(IMAGES[1]))
        await until(lambda: len(hub.asked) == 2)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        comes = asyncio.create_task(engine.encode_image(IMAGES[2]))
        await until(lambda: len(hub.asked) == 3)
        hub.let_go.set()
        assert len(await asyncio.gather(stays, comes)) == 2


async def test_an_image_waits_longer_for_its_model_than_a_person(checkpoint: Path) -> None:
    hub = Hub(checkpoint)
    hub.failure = ModelMissingError()
    async with engine_of(hub) as engine:
        for encode in (engine.encode_image(IMAGES[0]), engine.encode_text("发票")):
            with pytest.raises(ModelMissingError):
                await encode
    assert hub.asked == [900.0, 10.0]


async def test_after_a_failed_fetch_the_next_caller_tries_again(checkpoint: Path) -> None:
    hub = Hub(checkpoint)
    hub.failure = ModelMissingError("not there yet")
    async with engine_of(hub) as engine:
        with pytest.raises(ModelMissingError, match="not there yet"):
            await engine.encode_text("发票")
        hub.failure = None
        assert (await engine.encode_text("发票")).vector.shape == (512,)


async def test_a_checkpoint_that_is_none_is_told_to_every_caller(tmp_path: Path) -> None:
    bad = tmp_path / "tiny.pt"
    bad.write_bytes(b"no checkpoint")
    hub = Hub(bad)
    async with engine_of(hub) as engine:
        results = await asyncio.gather(
            *(engine.encode_text("发票") for _ in range(3)), return_exceptions=True
        )
        assert all(isinstance(result, BadCheckpointError) for result in results)
        shutil.copy(TINY, bad)
        assert (await engine.encode_text("发票")).vector.shape == (512,)


async def test_the_model_is_converted_once_for_all_even_if_the_first_caller_leaves(
    checkpoint: Path,
) -> None:
    async with engine_of(Hub(checkpoint)) as engine:
        first = asyncio.create_task(engine.encode_text("发票"))
        others = [asyncio.create_task(engine.encode_text("发票")) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        assert len({each.vector.tobytes() for each in await asyncio.gather(*others)}) == 1


async def test_it_says_which_model_it_is_and_how_far_it_has_got(checkpoint: Path) -> None:
    hub = Hub(checkpoint)
    async with engine_of(hub) as engine:
        assert (engine.model().dimension, engine.model().state) == (None, "not here yet")
        await engine.encode_text("发票")
        assert engine.model().dimension == 512
        assert engine.model().state == "loaded for texts"
        assert engine.health().ready
        await engine.warm_up()
        assert engine.model().state == "loaded for images and texts"
    async with engine_of(hub) as engine:  # converted by the one before
        assert (engine.model().dimension, engine.model().state) == (
            512,
            "ready, loaded on first use",
        )


async def test_idle_towers_are_unloaded_and_come_back(checkpoint: Path) -> None:
    async with engine_of(Hub(checkpoint), idle_seconds=0.05) as engine:
        first = await engine.encode_image(IMAGES[0])
        await until(lambda: not engine.health().ready)
        assert await engine.encode_image(IMAGES[0]) == first


async def test_release_loses_no_request(checkpoint: Path) -> None:
    async with engine_of(Hub(checkpoint)) as engine:
        before = await engine.encode_image(IMAGES[0])
        requests = [asyncio.create_task(engine.encode_image(IMAGES[0])) for _ in range(30)]
        for _ in range(5):
            await engine.release()
        for answer in await asyncio.gather(*requests):
            assert answer.vector @ before.vector == pytest.approx(1, abs=1e-6)
        await engine.release()
        assert not engine.health().ready


async def test_a_tower_that_does_not_load_is_told_and_tried_again(checkpoint: Path) -> None:
    hub = Hub(checkpoint)
    model = converted(checkpoint, "f32")
    graph = model.tower("visual", "f32")
    async with engine_of(hub) as engine:
        kept = graph.read_bytes()
        graph.write_bytes(b"\0" * len(kept))
        with pytest.raises(BadCheckpointError, match="delete that folder"):
            await engine.encode_image(IMAGES[0])
        graph.write_bytes(kept)
        assert (await engine.encode_image(IMAGES[0])).vector.shape == (512,)


async def test_after_closing_everything_is_refused(checkpoint: Path) -> None:
    async with engine_of(Hub(checkpoint)) as engine:
        await engine.encode_text("发票")
        await engine.close()
        for encode in (engine.encode_image(IMAGES[0]), engine.encode_text("发票")):
            with pytest.raises(UnavailableError, match="shutting down"):
                await encode

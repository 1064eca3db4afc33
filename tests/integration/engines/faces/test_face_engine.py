"""The engine over real, small networks: limits, hang-ups, and memory that comes and goes."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from bench.face_networks import detector, recogniser, write_pack
from bench.face_samples import DrawnFace, picture, picture_file
from immich_aio.domain.images import ImageLimits
from immich_aio.domain.results import FacesResult
from immich_aio.engines.faces.choice import faces_choice
from immich_aio.engines.faces.models import load_models
from immich_aio.engines.faces.recogniser import Recogniser
from immich_aio.engines.model_files.hashes import read_record
from immich_aio.engines.model_files.pack_folder import PackFiles
from immich_aio.engines.model_files.places import Places
from immich_aio.engines.runtimes import Choice
from immich_aio.errors import (
    BadCheckpointError,
    BadImageError,
    LicenseError,
    OverloadedError,
    TooLargeError,
    UnavailableError,
)
from tests.integration.engines.caller import put
from tests.integration.engines.faces.conftest import Hub, engine_of, in_float32

PATIENCE = 30.0
FILE = picture_file(
    picture(640, 480, [DrawnFace(207.5 + 250 * n, 207.5, 60, identity=n) for n in range(2)])
)
CROWD = picture_file(
    picture(
        640,
        480,
        [DrawnFace(60 + 80 * (n % 7), 60 + 80 * (n // 7), 36, identity=n) for n in range(28)],
    )
)


@pytest.fixture
def own_pack(pack: PackFiles, tmp_path: Path) -> PackFiles:
    """A copy, for tests that change it."""
    folder = tmp_path / "buffalo_l"
    shutil.copytree(pack.detection.parent, folder)
    for path in folder.glob("*.sha256"):
        path.unlink()
    return PackFiles(folder / pack.detection.name, folder / pack.recognition.name)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens on another thread."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


# ---- At once


async def test_images_at_once_give_what_they_give_one_after_another(pack: PackFiles) -> None:
    async with engine_of(pack) as engine:
        alone = [await engine.find_faces(file, 0.5) for file in (FILE, CROWD)]
        together = await asyncio.gather(*(engine.find_faces(f, 0.5) for f in (FILE, CROWD) * 4))
    for result, expected in zip(together, alone * 4, strict=True):
        assert [face.box for face in result.faces] == [face.box for face in expected.faces]
        for face, same in zip(result.faces, expected.faces, strict=True):
            assert face.embedding.vector @ same.embedding.vector == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("workers", [1, 3])
async def test_faces_shared_by_helpers_are_those_of_one_worker(
    pack: PackFiles, workers: int
) -> None:
    async with engine_of(pack, in_float32(workers)) as engine:
        result = await engine.find_faces(CROWD, 0.5)
    models = load_models(pack, in_float32(1))
    assert len(result.faces) == 28
    assert models.batch > 1
    vectors = np.stack([face.embedding.vector for face in result.faces])
    similar = np.sort(vectors @ vectors.T, axis=1)[:, -2]
    assert similar.max() < 0.9999, "two faces got one vector"


async def test_results_say_where_the_time_went(pack: PackFiles) -> None:
    async with engine_of(pack) as engine:
        timings = (await engine.find_faces(FILE, 0.5)).timings
    assert timings.queue >= 0
    assert min(timings.decode, timings.detect, timings.recognise) > 0


async def test_what_cannot_be_decoded_fails_alone(pack: PackFiles) -> None:
    async with engine_of(pack, limits=ImageLimits(max_pixels=400_000)) as engine:
        good, text_file, huge = await asyncio.gather(
            engine.find_faces(FILE, 0.5),
            engine.find_faces(b"no image", 0.5),
            engine.find_faces(picture_file(picture(800, 600, [])), 0.5),
            return_exceptions=True,
        )
    assert isinstance(good, FacesResult)
    assert isinstance(text_file, BadImageError)
    assert isinstance(huge, TooLargeError)


async def test_a_full_queue_refuses_by_name_of_its_setting_and_everyone_inside_is_served(
    pack: PackFiles,
) -> None:
    hub = Hub(pack)
    hub.let_go.clear()
    async with engine_of(hub, in_float32(1), queue_size=2) as engine:
        inside = [asyncio.create_task(engine.find_faces(FILE, 0.5)) for _ in range(3)]
        await until(lambda: len(hub.asked) == 3)
        assert engine.health().waiting == 3
        with pytest.raises(OverloadedError, match="FACES_QUEUE_SIZE"):
            await engine.find_faces(FILE, 0.5)
        hub.let_go.set()
        assert [len(each.faces) for each in await asyncio.gather(*inside)] == [2] * 3
        assert len((await engine.find_faces(FILE, 0.5)).faces) == 2


async def test_a_caller_who_hangs_up_while_the_pack_is_fetched_frees_his_place(
    pack: PackFiles,
) -> None:
    hub = Hub(pack)
    hub.let_go.clear()
    async with engine_of(hub, in_float32(1), queue_size=1) as engine:
        gone = asyncio.create_task(engine.find_faces(FILE, 0.5))
        stays = asyncio.create_task(engine.find_faces(FILE, 0.5))
        await until(lambda: len(hub.asked) == 2)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        comes = asyncio.create_task(engine.find_faces(FILE, 0.5))
        await until(lambda: len(hub.asked) == 3)
        hub.let_go.set()
        assert len(await asyncio.gather(stays, comes)) == 2
    assert hub.asked == [900.0] * 3


async def test_a_caller_who_hangs_up_costs_no_further_inference(
    pack: PackFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He goes while the first faces of a crowd are recognised; the others never are."""
    begun, go_on = threading.Event(), threading.Event()
    batches: list[int] = []
    vectors = Recogniser.vectors

    async with engine_of(pack, in_float32(1)) as engine:
        await engine.warm_up()

        def slow(self: Recogniser, squares: list[object]) -> object:
            batches.append(len(squares))
            begun.set()
            assert go_on.wait(PATIENCE)
            return vectors(self, squares)  # type: ignore[arg-type]

        monkeypatch.setattr(Recogniser, "vectors", slow)
        task = asyncio.create_task(engine.find_faces(CROWD, 0.5))
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        await engine.warm_up()  # in the queue behind the cancelled one
    assert len(batches) == 1


# ---- Memory


async def test_idle_models_are_unloaded_and_come_back(pack: PackFiles) -> None:
    async with engine_of(pack, idle_seconds=0.05) as engine:
        first = await engine.find_faces(FILE, 0.5)
        assert engine.state() == "loaded"
        await until(lambda: not engine.health().ready)
        assert engine.state() == "ready, loaded on first use"
        assert await engine.find_faces(FILE, 0.5) == first


async def test_a_release_loses_no_request(pack: PackFiles) -> None:
    async with engine_of(pack) as engine:
        before = await engine.find_faces(FILE, 0.5)
        requests = [asyncio.create_task(engine.find_faces(FILE, 0.5)) for _ in range(20)]
        for _ in range(5):
            await engine.release()
        for result in await asyncio.gather(*requests):
            assert [face.box for face in result.faces] == [face.box for face in before.faces]
        await engine.release()
        assert not engine.health().ready


async def test_a_second_worker_waits_for_the_first_ones_load(
    pack: PackFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[PackFiles] = []

    def counted(files: PackFiles, choice: Choice) -> object:
        loads.append(files)
        return load_models(files, choice)

    monkeypatch.setattr("immich_aio.engines.faces.engine.load_models", counted)
    async with engine_of(pack) as engine:
        await asyncio.gather(*(engine.find_faces(FILE, 0.5) for _ in range(4)))
    assert loads == [pack]


async def test_after_closing_everything_is_refused(pack: PackFiles) -> None:
    async with engine_of(pack) as engine:
        await engine.find_faces(FILE, 0.5)
        await engine.close()
        with pytest.raises(UnavailableError, match="shutting down"):
            await engine.find_faces(FILE, 0.5)


async def test_it_says_what_it_runs_on_and_how_far_it_has_got(pack: PackFiles) -> None:
    async with engine_of(pack) as engine:
        assert (engine.pack, engine.state()) == ("buffalo_l", "not here yet")
        health = engine.health()
        assert (health.ready, health.description) == (False, "ONNX Runtime f32 on CPU")
        await engine.prepare()
        assert engine.state() == "ready, loaded on first use"
        assert not engine.health().ready
        await engine.warm_up()
        assert (engine.state(), engine.health().ready) == ("loaded", True)


# ---- Packs that are not what they should be


async def test_a_refusal_to_give_the_pack_is_told_and_may_be_mended(pack: PackFiles) -> None:
    hub = Hub(pack)
    hub.failure = LicenseError("not accepted")
    async with engine_of(hub) as engine:
        with pytest.raises(LicenseError, match="not accepted"):
            await engine.find_faces(FILE, 0.5)
        hub.failure = None
        assert len((await engine.find_faces(FILE, 0.5)).faces) == 2


@pytest.mark.parametrize("task", ["detection", "recognition"])
async def test_a_damaged_file_is_told_to_every_caller_and_may_be_mended(
    own_pack: PackFiles, pack: PackFiles, task: str
) -> None:
    path: Path = getattr(own_pack, task)
    put(path, b"<html>404</html>")
    hub = Hub(own_pack)
    async with engine_of(hub) as engine:
        results = await asyncio.gather(
            *(engine.find_faces(FILE, 0.5) for _ in range(5)), return_exceptions=True
        )
        assert all(isinstance(result, BadCheckpointError) for result in results), results
        assert "models rm" in str(results[0])
        put(path, getattr(pack, task).read_bytes())
        Places(path).record.unlink()
        assert len((await engine.find_faces(FILE, 0.5)).faces) == 2


def test_networks_that_are_something_else_are_refused_by_what_is_wrong(
    pack: PackFiles, tmp_path: Path
) -> None:
    swapped = PackFiles(pack.recognition, pack.detection)
    with pytest.raises(BadCheckpointError, match="cannot be used"):
        load_models(swapped, in_float32())
    without_points = detector()
    for _ in range(3):
        without_points.graph.output.pop()
    onnx.save(without_points, tmp_path / "six.onnx")
    with pytest.raises(BadCheckpointError, match="no SCRFD with five points"):
        load_models(PackFiles(tmp_path / "six.onnx", pack.recognition), in_float32())


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
async def test_exports_of_other_shapes_are_used_too(
    pack: PackFiles, tmp_path: Path, runtime: str
) -> None:
    """Some have a first axis in the detector's outputs, or take one face at a time."""
    files = PackFiles(tmp_path / "detector.onnx", tmp_path / "recogniser.onnx")
    onnx.save(detector(batched=True), files.detection)
    onnx.save(recogniser(batch=1), files.recognition)
    choice = faces_choice(runtime, "cpu", "f32", 2)  # type: ignore[arg-type]
    assert load_models(files, choice).batch == 1
    async with engine_of(pack) as usual, engine_of(files, choice) as other:
        expected, result = await asyncio.gather(
            usual.find_faces(CROWD, 0.5), other.find_faces(CROWD, 0.5)
        )
    assert len(result.faces) == len(expected.faces) == 28
    for face, same in zip(result.faces, expected.faces, strict=True):
        assert face.box.corner_pair == pytest.approx(same.box.corner_pair, abs=0.01)
        assert face.embedding.vector @ same.embedding.vector > 0.999999


async def test_from_its_first_use_on_a_pack_must_stay_what_it_was(own_pack: PackFiles) -> None:
    """Else vectors of two models would be mixed, and no length betrays it."""
    async with engine_of(own_pack) as engine:
        before = await engine.find_faces(FILE, 0.5)
        assert read_record(Places(own_pack.recognition).record) is not None
        await engine.release()
        _, other = write_pack(own_pack.detection.parent / "other", seed=9)
        shutil.copy(other, own_pack.recognition)
        with pytest.raises(BadCheckpointError, match="not what it was"):
            await engine.find_faces(FILE, 0.5)
        Places(own_pack.recognition).record.unlink()  # it was changed on purpose
        after = await engine.find_faces(FILE, 0.5)
    assert [face.box for face in after.faces] == [face.box for face in before.faces]
    assert after.faces[0].embedding.vector @ before.faces[0].embedding.vector < 0.5


async def test_a_pack_that_was_removed_is_looked_for_anew(own_pack: PackFiles) -> None:
    hub = Hub(own_pack)
    async with engine_of(hub) as engine:
        await engine.find_faces(FILE, 0.5)
        await engine.release()
        moved = own_pack.detection.parent.with_name("elsewhere")
        own_pack.detection.parent.rename(moved)
        with pytest.raises(BadCheckpointError, match="cannot be read"):
            await engine.find_faces(FILE, 0.5)
        hub.files = PackFiles(moved / own_pack.detection.name, moved / own_pack.recognition.name)
        assert len((await engine.find_faces(FILE, 0.5)).faces) == 2

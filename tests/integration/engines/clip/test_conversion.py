"""A checkpoint is converted once, wholly or not at all, and anew when something has changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from bench.checkpoints import write_random_checkpoint
from immich_aio.engines.clip import conversion
from immich_aio.engines.clip import converted as found
from immich_aio.engines.clip.conversion import converted
from immich_aio.engines.clip.converted import (
    CONVERTER,
    MANIFEST,
    ConvertedModel,
    already_converted,
    damaged_files,
    onnx_folder,
)
from immich_aio.engines.runtimes import Precision
from immich_aio.errors import BadCheckpointError, ModelMissingError, UnavailableError
from tests.clip_golden import TINY, TINY_ARCHITECTURE

ROOT = Path(__file__).parents[4]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A tiny checkpoint in a folder of its own."""
    return Path(shutil.copy(TINY, tmp_path / "own.pt"))


def made(model: ConvertedModel) -> int:
    """When it was made: it changes exactly when it is made anew."""
    return (model.folder / MANIFEST).stat().st_ino


def test_a_checkpoint_becomes_valid_onnx_with_dynamic_batch_and_length(checkpoint: Path) -> None:
    model = converted(checkpoint, "f32")
    assert model.folder.parent == onnx_folder(checkpoint) == checkpoint.with_name("own.onnx")
    assert (model.dimension, model.side, model.architecture) == (512, 224, None)
    for tower, shape in (("visual", ["batch", 224, 224, 3]), ("textual", ["batch", "length"])):
        file = model.tower(tower, "f32")  # type: ignore[arg-type]  # a loop loses literals
        onnx.checker.check_model(str(file), full_check=True)
        graph = onnx.load(str(file), load_external_data=False).graph
        dims = graph.input[0].type.tensor_type.shape.dim
        assert [dim.dim_param or dim.dim_value for dim in dims] == shape


def test_the_second_time_nothing_is_made(checkpoint: Path) -> None:
    assert already_converted(checkpoint, "f32") is None
    first = converted(checkpoint, "f32")
    before = made(first)
    assert made(converted(checkpoint, "bf16")) == before
    assert already_converted(checkpoint, "f32") == first


def test_quantised_weights_are_made_beside_the_full_ones(checkpoint: Path) -> None:
    full = converted(checkpoint, "f32")
    before = made(full)
    quantised = converted(checkpoint, "int8")
    assert quantised.folder != full.folder
    assert made(converted(checkpoint, "f32")) == before
    sizes = [
        sum(file.stat().st_size for file in model.folder.glob("visual*weights"))
        for model in (quantised, full)
    ]
    assert sizes[0] < sizes[1]


def test_the_checkpoint_may_go_once_it_is_converted(checkpoint: Path) -> None:
    first = converted(checkpoint, "f32")
    checkpoint.unlink()
    assert converted(checkpoint, "f32") == first
    with pytest.raises(ModelMissingError, match="int8 weights"):
        converted(checkpoint, "int8")


def test_a_checkpoint_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"models pull.*models import"):
        converted(tmp_path / "absent.pt", "f32")


def test_another_checkpoint_of_the_same_name_is_converted_anew(checkpoint: Path) -> None:
    first = converted(checkpoint, "f32")
    before = made(first)
    write_random_checkpoint(checkpoint, TINY_ARCHITECTURE, seed=5)
    second = converted(checkpoint, "f32")
    assert made(second) != before
    assert second.source.sha256 != first.source.sha256


def test_a_checkpoint_that_was_only_touched_is_not_converted_anew(checkpoint: Path) -> None:
    before = made(converted(checkpoint, "f32"))
    os.utime(checkpoint, (1, 1))
    assert made(converted(checkpoint, "f32")) == before


def test_what_an_older_converter_made_is_made_anew(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = made(converted(checkpoint, "f32"))
    for module in (conversion, found):
        monkeypatch.setattr(module, "CONVERTER", CONVERTER + 1)
    assert made(converted(checkpoint, "f32")) != before


@pytest.mark.parametrize("file", ["visual.weights", "textual.bf16.onnx"])
@pytest.mark.parametrize("fault", ["missing", "cut off"])
def test_a_folder_that_is_not_whole_is_made_anew(checkpoint: Path, file: str, fault: str) -> None:
    first = converted(checkpoint, "f32")
    before = made(first)
    damaged = first.folder / file
    data = damaged.read_bytes()
    damaged.unlink()
    if fault == "cut off":
        damaged.write_bytes(data[:-1])
    again = converted(checkpoint, "f32")
    assert made(again) != before
    assert (again.folder / file).read_bytes() == data


@pytest.mark.parametrize("manifest", ["", "{}", "[]", '{"source": {"bytes": 1}}', "no JSON"])
def test_a_manifest_that_cannot_be_read_is_no_manifest(checkpoint: Path, manifest: str) -> None:
    first = converted(checkpoint, "f32")
    (first.folder / MANIFEST).write_text(manifest)
    assert already_converted(checkpoint, "f32") is None
    assert converted(checkpoint, "f32") == first


def test_damage_that_keeps_the_size_is_found_by_its_hash(checkpoint: Path) -> None:
    model = converted(checkpoint, "f32")
    assert damaged_files(model) == []
    weights = model.folder / "visual.weights"
    data = bytearray(weights.read_bytes())
    data[5000] ^= 1
    weights.write_bytes(data)
    assert damaged_files(model) == ["visual.weights"]


def test_what_a_killed_process_left_is_swept_away(checkpoint: Path) -> None:
    abandoned = onnx_folder(checkpoint) / ".full-abandoned"
    abandoned.mkdir(parents=True)
    (abandoned / "visual.weights").write_bytes(b"half")
    model = converted(checkpoint, "f32")
    names = {path.name for path in model.folder.parent.iterdir()}
    assert names == {"full", ".lock"}


@pytest.mark.parametrize("precision", ["f32", "int8"])
def test_a_checkpoint_that_cannot_be_used_leaves_nothing_behind(
    tmp_path: Path, precision: Precision
) -> None:
    bad = tmp_path / "bad.pt"
    bad.write_bytes(b"no checkpoint")
    with pytest.raises(BadCheckpointError):
        converted(bad, precision)
    assert {path.name for path in onnx_folder(bad).iterdir()} == {".lock"}


def test_a_place_that_cannot_be_written_is_said(checkpoint: Path) -> None:
    onnx_folder(checkpoint).write_text("a file where the folder belongs")
    with pytest.raises(UnavailableError, match="must be writable"):
        converted(checkpoint, "f32")


def test_two_processes_that_convert_at_once_both_get_a_whole_model(checkpoint: Path) -> None:
    program = "tests.integration.engines.clip.conversion_process"
    command = [sys.executable, "-m", program, str(checkpoint)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)  # noqa: S603  # our own module
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert said[0][-1] == said[1][-1]
    model = already_converted(checkpoint, "f32")
    assert model is not None
    assert damaged_files(model) == []


def test_the_manifest_says_what_the_model_is_and_of_what_it_was_made(checkpoint: Path) -> None:
    model = converted(checkpoint, "f32")
    manifest = json.loads((model.folder / MANIFEST).read_text())
    assert manifest["converter"] == CONVERTER
    assert manifest["source"]["sha256"] == model.source.sha256
    assert set(manifest["files"]) == {
        f"{tower}.{rest}"
        for tower in ("visual", "textual")
        for rest in ("weights", "f32.onnx", "bf16.onnx", "f16.onnx")
    }

"""Checkpoints are read to the number, and nothing in them is ever run."""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.checkpoints import write_checkpoint
from immich_aio.engines.clip.checkpoint import open_checkpoint
from immich_aio.errors import BadCheckpointError
from tests.clip_golden import TINY

STORAGE = (
    b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.pt"


def archive(path: Path, table: bytes, **entries: bytes) -> None:
    """An archive with this pickle, and a storage of the numbers 0 to 5."""
    with zipfile.ZipFile(path, "w") as written:
        written.writestr("archive/data.pkl", table)
        written.writestr("archive/data/0", np.arange(6, dtype="<f4").tobytes())
        for name, data in entries.items():
            written.writestr(f"archive/{name}", data)


def table_of(rebuild: bytes) -> bytes:
    """A pickle of ``{"x": tensor}``."""
    return b"\x80\x02}X\x01\x00\x00\x00x" + rebuild + b"s."


def tensor(offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    def tuple_of(numbers: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"J" + struct.pack("<i", each) for each in numbers) + b"t"

    place = b"J" + struct.pack("<i", offset) + tuple_of(shape) + tuple_of(stride)
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + place
    return rebuild + b"\x89ccollections\nOrderedDict\n)RtR"


def test_numbers_come_back_as_they_were_written(path: Path) -> None:
    written = {
        "module.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "module.half": np.array([0.5, -2], np.float16),
        "module.count": np.array(7),
    }
    write_checkpoint(path, written.items())
    checkpoint = open_checkpoint(path)
    assert dict(checkpoint.shapes) == {"weight": (2, 3), "half": (2,), "count": ()}
    for name, values in written.items():
        read = checkpoint.tensor(name.removeprefix("module."))
        assert read.dtype == values.dtype
        np.testing.assert_array_equal(read, values)


def test_what_pytorch_itself_saved_is_read() -> None:
    checkpoint = open_checkpoint(TINY)
    words = checkpoint.tensor("bert.embeddings.word_embeddings.weight")
    assert words.shape == (21128, 64)
    assert set(np.unique(words)) <= {-0.25, 0.0, 0.25}
    assert float(checkpoint.tensor("logit_scale")) == pytest.approx(4.6)


def test_the_prefix_and_the_outer_dictionary_may_be_missing(path: Path) -> None:
    archive(path, table_of(tensor(0, (2, 3), (3, 1))))
    np.testing.assert_array_equal(open_checkpoint(path).tensor("x"), [[0, 1, 2], [3, 4, 5]])


def test_a_view_into_a_storage_is_read_with_its_strides(path: Path) -> None:
    archive(path, table_of(tensor(1, (2, 2), (1, 2))))
    np.testing.assert_array_equal(open_checkpoint(path).tensor("x"), [[1, 3], [2, 4]])


def test_bfloat16_comes_as_float32(path: Path) -> None:
    table = table_of(tensor(0, (2,), (1,))).replace(b"FloatStorage", b"BFloat16Storage")
    with zipfile.ZipFile(path, "w") as written:
        written.writestr("archive/data.pkl", table)
        written.writestr("archive/data/0", np.array([0x3FC0, 0xC000], "<u2").tobytes())
    values = open_checkpoint(path).tensor("x")
    assert values.dtype == np.float32
    assert values.tolist() == [1.5, -2.0]


def test_tensors_are_read_only(path: Path) -> None:
    archive(path, table_of(tensor(0, (6,), (1,))))
    with pytest.raises(ValueError, match="read-only"):
        open_checkpoint(path).tensor("x")[0] = 1


class Harmful:
    """Unpickled by Python's own means, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self._folder),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(
    path: Path, tmp_path: Path, protocol: int
) -> None:
    target = tmp_path / "made by the pickle"
    archive(path, pickle.dumps({"state_dict": {"x": Harmful(target)}}, protocol))
    with pytest.raises(BadCheckpointError, match=r"names \w+\.mkdir, and may hold nothing but"):
        open_checkpoint(path)
    assert not target.exists()


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": {"x": np.zeros(2)}},
        {"state_dict": {}, "options": io.StringIO},
        {"state_dict": {}, "error": ValueError("an exception")},
        collections.Counter("abc"),
    ],
)
def test_anything_but_tensors_and_plain_containers_is_refused(path: Path, content: object) -> None:
    archive(path, pickle.dumps(content))
    with pytest.raises(BadCheckpointError, match="may hold nothing but tensors"):
        open_checkpoint(path)


@pytest.mark.parametrize(
    "content", [{"state_dict": {}}, {"epoch": 3, "name": "x"}, ["a", 1], "text", None]
)
def test_a_checkpoint_without_tensors_is_refused(path: Path, content: object) -> None:
    archive(path, pickle.dumps(content))
    with pytest.raises(BadCheckpointError, match=r"no tensors|no dictionary of tensors"):
        open_checkpoint(path)


@pytest.mark.parametrize(
    "rebuild",
    [
        tensor(0, (2, 3), (3,)),
        tensor(0, (-1,), (1,)),
        tensor(-4, (1,), (1,)),
        tensor(0, (2,), (-1,)),
        tensor(0, (2,), (1,)).replace(b"(" + STORAGE, b"(K\x05"),
        b"ctorch._utils\n_rebuild_tensor_v2\n)R",
        b"(X\x07\x00\x00\x00nothingtQ",
        b"ctorch\nFloatStorage\n)R",
    ],
)
def test_a_tensor_that_cannot_be_is_refused(path: Path, rebuild: bytes) -> None:
    archive(path, table_of(rebuild))
    with pytest.raises(BadCheckpointError, match="is no checkpoint that can be used"):
        open_checkpoint(path)


@pytest.mark.parametrize(
    ("offset", "shape"), [(0, (7,)), (3, (2, 3)), (6, (1,)), (2**31 - 1, (1,))]
)
def test_a_tensor_that_reaches_beyond_its_storage_is_refused(
    path: Path, offset: int, shape: tuple[int, ...]
) -> None:
    stride = (3, 1) if len(shape) == 2 else (1,)
    archive(path, table_of(tensor(offset, shape, stride)))
    with pytest.raises(BadCheckpointError, match="storage 0 is too short"):
        open_checkpoint(path).tensor("x")


def test_a_missing_storage_is_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as written:
        written.writestr("archive/data.pkl", table_of(tensor(0, (2,), (1,))))
    with pytest.raises(BadCheckpointError, match="archive/data/0 is missing"):
        open_checkpoint(path).tensor("x")


def test_a_compressed_archive_is_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("archive/data.pkl", table_of(tensor(0, (2,), (1,))))
    with pytest.raises(BadCheckpointError, match="compressed"):
        open_checkpoint(path)


def test_big_endian_numbers_are_refused(path: Path) -> None:
    archive(path, table_of(tensor(0, (2,), (1,))), byteorder=b"big")
    with pytest.raises(BadCheckpointError, match="big-endian"):
        open_checkpoint(path)


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>", pickle.dumps({"x": 1})])
def test_what_is_no_archive_is_refused_with_the_likely_reason(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(BadCheckpointError, match="was the download complete"):
        open_checkpoint(path)


def test_an_archive_cut_off_is_refused(path: Path) -> None:
    path.write_bytes(TINY.read_bytes()[:-100_000])
    with pytest.raises(BadCheckpointError, match="was the download complete"):
        open_checkpoint(path)


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_table_of_contents_that_is_cut_off_is_refused(path: Path, cut: int) -> None:
    table = table_of(tensor(0, (2,), (1,)))
    archive(path, table[: -min(cut, len(table) - 1)])
    with pytest.raises(BadCheckpointError, match="damaged"):
        open_checkpoint(path)


def test_a_zip_of_something_else_is_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as written:
        written.writestr("readme.txt", "hello")
    with pytest.raises(BadCheckpointError, match=r"holds no data\.pkl"):
        open_checkpoint(path)

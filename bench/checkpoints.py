"""Chinese-CLIP checkpoints of random weights, in the official format, without PyTorch.

The same seed gives the same numbers everywhere, for ever: they are made of the raw output of the
Philox counter, whose stream NumPy keeps. Vectors of such a network say nothing about pictures, but
every fault in reading, converting or computing it shows in them.
"""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immich_aio.engines.clip.architecture import Architecture
from immich_aio.engines.clip.state_dict import Shape, shapes_of

Array = NDArray[Any]
_STORAGES = {"float32": b"FloatStorage", "float16": b"HalfStorage", "int64": b"LongStorage"}


def write_random_checkpoint(path: Path, architecture: Architecture, *, seed: int = 0) -> None:
    """A checkpoint of an architecture, float32, with the prefix that official ones bear."""
    write_checkpoint(path, _tensors(architecture, seed))


def _tensors(architecture: Architecture, seed: int) -> Iterator[tuple[str, Array]]:
    for name, shape in shapes_of(architecture).items():
        yield f"module.{name}", random_tensor(name, shape, seed)
        if name.endswith("running_var"):  # not needed to compute, but cn_clip asks for it
            yield f"module.{name.removesuffix('running_var')}num_batches_tracked", np.array(0)
    yield "module.logit_scale", np.array(4.6, np.float32)


def random_tensor(name: str, shape: Shape, seed: int) -> NDArray[np.float32]:
    """Numbers of the size that trained networks have there, with a few norms that stand out."""
    noise = random_numbers(name, shape, seed)
    if name.endswith("running_var"):
        return np.asarray(np.exp(0.3 * noise), np.float32)
    if len(shape) == 1:
        return noise * np.float32(0.1) + _middle(name, noise)
    if "embedding" in name:
        return noise * np.float32(0.3)
    fan_in = shape[0] if name.endswith((".proj", "text_projection")) else math.prod(shape[1:])
    gain = 2**0.5 if "conv" in name or "downsample" in name else 1  # a ReLU halves the power
    return noise * np.float32(gain / fan_in**0.5)


def _middle(name: str, noise: NDArray[np.float32]) -> NDArray[np.float32] | np.float32:
    """Around what the numbers of a norm or a bias lie."""
    if not name.endswith(".weight"):
        return np.float32(0)
    if "bn3" in name:  # what a residual block adds is small beside what passes it by
        return np.float32(0.3)
    if "bn" in name or "downsample" in name:
        return np.float32(1)
    # Trained transformers have a few channels that are many times larger than the others.
    return np.where(np.abs(noise) > 1.7, np.float32(4), np.float32(1))


def write_checkpoint(path: Path, tensors: Iterable[tuple[str, Array]]) -> None:
    """Write tensors as ``torch.save({"epoch": …, "name": …, "state_dict": …})`` does."""
    entries = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for key, (name, values) in enumerate(tensors):
            archive.writestr(f"archive/data/{key}", np.ascontiguousarray(values).tobytes())
            entries.append(_text(name) + _tensor(str(key), values))
        content = b"".join(entries)
        state = b"}(" + content + b"u"
        table = (
            b"\x80\x02}("
            + _text("epoch")
            + b"K\x01"
            + _text("name")
            + _text("random")
            + _text("state_dict")
            + state
            + b"u."
        )
        archive.writestr("archive/data.pkl", table)
        archive.writestr("archive/byteorder", b"little")
        archive.writestr("archive/version", b"3\n")


def random_numbers(name: str, shape: Shape, seed: int) -> NDArray[np.float32]:
    """Uniform numbers of mean 0 and deviation 1."""
    count = math.prod(shape)
    raw = np.random.Philox(key=(seed << 32) + zlib.crc32(name.encode())).random_raw(-(-count // 2))
    signed = np.asarray(raw, "<u8").view("<i4")[:count].astype(np.float32)
    return (signed * np.float32(3**0.5 / 2**31)).reshape(shape)


def _tensor(key: str, values: Array) -> bytes:
    """The opcodes of ``_rebuild_tensor_v2(storage, offset, size, stride, False, {})``."""
    strides = np.array(np.empty(values.shape, np.bool_).strides, np.int64)
    return b"".join(
        [
            b"ctorch._utils\n_rebuild_tensor_v2\n((",
            _text("storage"),
            b"ctorch\n" + _STORAGES[values.dtype.name] + b"\n",
            _text(key),
            _text("cpu"),
            _number(values.size),
            b"tQ",
            _number(0),
            b"(" + b"".join(map(_number, values.shape)) + b"t",
            b"(" + b"".join(map(_number, strides.tolist())) + b"t",
            b"\x89ccollections\nOrderedDict\n)RtR",
        ]
    )


def _text(text: str) -> bytes:
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _number(number: int) -> bytes:
    return b"J" + struct.pack("<i", number)

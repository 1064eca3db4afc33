"""PyTorch checkpoints, read without PyTorch and without running what is in them.

A checkpoint is a ZIP archive: a pickle, ``NAME/data.pkl``, that says which tensors there are, and
their numbers, uncompressed, one file ``NAME/data/KEY`` a storage. A pickle is a program. This one
is interpreted with a list of the only things it may name, all of them ours: containers, and stand-
ins that note what a tensor is. Whatever else it names is refused before anything is called.

The format is that of ``torch.save`` since PyTorch 1.6, as written by PyTorch 2.13.
"""

from __future__ import annotations

import io
import mmap
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from immich_aio.errors import BadCheckpointError

Array = NDArray[Any]

MAX_PICKLE_BYTES = 64 * 1024 * 1024
"""The pickles of the official checkpoints have some 50 kB."""

_DTYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "FloatStorage": np.dtype("<f4"),
        "HalfStorage": np.dtype("<f2"),
        "BFloat16Storage": np.dtype("<u2"),  # NumPy has no bfloat16; see ``_values``
        "DoubleStorage": np.dtype("<f8"),
        "LongStorage": np.dtype("<i8"),
        "IntStorage": np.dtype("<i4"),
        "ShortStorage": np.dtype("<i2"),
        "CharStorage": np.dtype("i1"),
        "ByteStorage": np.dtype("u1"),
        "BoolStorage": np.dtype("?"),
    }
)


@dataclass(frozen=True, slots=True)
class _StorageKind:
    """What a storage's numbers are, as the pickle names it: ``torch.FloatStorage`` and the like."""

    name: str


@dataclass(frozen=True, slots=True)
class _Storage:
    """One file of numbers in the archive."""

    kind: _StorageKind
    key: str


@dataclass(frozen=True, slots=True)
class _TensorNote:
    """Where a tensor's numbers are; ``offset`` and ``stride`` count numbers, not bytes."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class Checkpoint:
    """The tensors of a checkpoint by name; each is read only when it is asked for."""

    def __init__(self, archive: _Archive, notes: Mapping[str, _TensorNote]) -> None:
        self._archive = archive
        self._notes = notes
        self.shapes: Mapping[str, tuple[int, ...]] = MappingProxyType(
            {name: note.shape for name, note in notes.items()}
        )

    def tensor(self, name: str) -> Array:
        """A tensor's numbers, read-only, over the file itself; bfloat16 comes as float32.

        Raises KeyError for an unknown name, BadCheckpointError where the numbers are not there.
        """
        return self._archive.values(self._notes[name])


def open_checkpoint(path: Path) -> Checkpoint:
    """Open a file as ``torch.save`` wrote it.

    Tensors stand under ``state_dict`` or at the top; the prefix ``module.`` that distributed
    training leaves is taken off. Raises BadCheckpointError for anything but tensors and plain
    containers, and OSError where the file cannot be read.
    """
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise BadCheckpointError(
                f"{path.name} is not a checkpoint as torch.save writes it since PyTorch 1.6; "
                "was the download complete?"
            )
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    opened = _Archive(path.name, entries, mapped)
    return Checkpoint(opened, _notes(opened))


class _Archive:
    """The ZIP archive of a checkpoint, mapped into memory."""

    def __init__(self, name: str, entries: list[zipfile.ZipInfo], mapped: memoryview) -> None:
        self._name = name
        self._mapped = mapped
        self._entries = {entry.filename: entry for entry in entries}
        pickles = [entry for entry in self._entries if entry.endswith("/data.pkl")]
        if len(pickles) != 1:
            self.refuse("it holds no data.pkl")
        self._folder = pickles[0].removesuffix("data.pkl")
        order = f"{self._folder}byteorder"
        if order in self._entries and bytes(self._bytes(order)) != b"little":
            self.refuse("its numbers are big-endian")

    def refuse(self, why: str) -> NoReturn:
        """Raise BadCheckpointError."""
        raise BadCheckpointError(f"{self._name} is no checkpoint that can be used: {why}.")

    def pickle(self) -> bytes:
        """The bytes of ``data.pkl``."""
        data = self._bytes(f"{self._folder}data.pkl")
        if len(data) > MAX_PICKLE_BYTES:
            self.refuse("its table of contents is far too large")
        return bytes(data)

    def values(self, note: _TensorNote) -> Array:
        """A tensor's numbers. Raises BadCheckpointError where they are not in the file."""
        data = self._bytes(f"{self._folder}data/{note.storage.key}")
        dtype = _DTYPES[note.storage.kind.name]
        flat = np.frombuffer(data, dtype, len(data) // dtype.itemsize)
        last = note.offset + sum(
            (size - 1) * step for size, step in zip(note.shape, note.stride, strict=True)
        )
        if 0 not in note.shape and last >= flat.size:
            self.refuse(f"storage {note.storage.key} is too short")
        strides = tuple(step * dtype.itemsize for step in note.stride)
        values = np.lib.stride_tricks.as_strided(
            flat[note.offset :], note.shape, strides, writeable=False
        )
        if note.storage.kind.name == "BFloat16Storage":
            return (values.astype(np.uint32) << 16).view(np.float32)
        return values

    def _bytes(self, name: str) -> memoryview:
        """An entry's bytes where they lie in the file."""
        entry = self._entries.get(name)
        if entry is None:
            self.refuse(f"{name} is missing")
        if entry.compress_type != zipfile.ZIP_STORED:
            self.refuse(f"{name} is compressed, which torch.save never does")
        header = self._mapped[entry.header_offset : entry.header_offset + 30]
        if len(header) < 30:
            self.refuse(f"{name} lies outside the file")
        name_length, extra_length = struct.unpack_from("<HH", header, 26)
        start = entry.header_offset + 30 + name_length + extra_length
        data = self._mapped[start : start + entry.file_size]
        if len(data) != entry.file_size:
            self.refuse(f"{name} is cut off")
        return data


def _notes(archive: _Archive) -> dict[str, _TensorNote]:
    content = _unpickled(archive)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        archive.refuse("it holds no dictionary of tensors")
    notes = {
        name.removeprefix("module."): note
        for name, note in content.items()
        if isinstance(name, str) and isinstance(note, _TensorNote)
    }
    return notes or archive.refuse("it holds no tensors")


def _unpickled(archive: _Archive) -> object:
    try:
        return _Unpickler(io.BytesIO(archive.pickle())).load()
    except BadCheckpointError as error:
        archive.refuse(error.message.removesuffix("."))
    except Exception as error:  # noqa: BLE001  # what a damaged pickle can raise has no end
        archive.refuse(f"its table of contents is damaged ({error!r})")


class _Unpickler(pickle.Unpickler):  # every name it may look up is listed below
    """An interpreter of pickles that knows only containers and what tensors are made of."""

    def find_class(self, module: str, name: str) -> object:
        """The stand-in for a name that a tensor needs; anything else is refused."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor_note
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _parameter_note
        if module == "torch" and name in _DTYPES:
            return _StorageKind(name)
        raise BadCheckpointError(f"it names {module}.{name}, and may hold nothing but tensors.")

    def persistent_load(self, pid: object) -> _Storage:
        """A storage: ``("storage", kind, key, location, count)``."""
        match pid:
            case ("storage", _StorageKind() as kind, str(key), _, _):
                return _Storage(kind, key)
        raise BadCheckpointError("it refers to something that is no storage.")


def _tensor_note(
    storage: object, offset: object, shape: object, stride: object, *_rest: object
) -> _TensorNote:
    """What stands in for ``torch._utils._rebuild_tensor_v2``."""
    if not (
        isinstance(storage, _Storage)
        and _is_count(offset)
        and isinstance(shape, tuple)
        and isinstance(stride, tuple)
        and len(shape) == len(stride)
        and all(map(_is_count, (*shape, *stride)))
    ):
        raise BadCheckpointError("it describes a tensor that cannot be.")
    assert isinstance(offset, int)  # noqa: S101  # just checked
    return _TensorNote(storage, offset, shape, stride)


def _parameter_note(note: object, *_rest: object) -> object:
    """What stands in for ``torch._utils._rebuild_parameter``: a parameter is its tensor."""
    return note


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**48

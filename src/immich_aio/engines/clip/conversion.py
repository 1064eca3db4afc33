"""Checkpoints as ONNX files, made once and kept beside the checkpoint.

``clip_cn_vit-b-16.pt`` gets a folder ``clip_cn_vit-b-16.onnx`` with a subfolder for the full
weights and, where it was asked for, one for the quantised ones. A subfolder is complete or not
there at all: it is made under another name, a manifest is written last, and then it is renamed.
What the manifest says is checked before a subfolder is used, and what is stale is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from immich_aio.engines.clip.checkpoint import open_checkpoint
from immich_aio.engines.clip.graph import Weights
from immich_aio.engines.clip.state_dict import architecture_of
from immich_aio.engines.clip.tower_graphs import image_tower, text_tower
from immich_aio.engines.runtimes import Precision
from immich_aio.errors import ModelMissingError, UnavailableError

log = logging.getLogger(__name__)

CONVERTER = 1
"""Raise it whenever the graphs change: what an older converter made is made anew."""

MANIFEST = "manifest.json"
PRECISIONS: dict[str, tuple[Precision, ...]] = {"full": ("f32", "bf16", "f16"), "int8": ("int8",)}
TOWERS = {"visual": image_tower, "textual": text_tower}


@dataclass(frozen=True, slots=True)
class Source:
    """The checkpoint that was converted; bytes and time tell cheaply whether it is still that."""

    bytes: int
    modified_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ConvertedModel:
    """Both towers as ONNX files; ``architecture`` is cn_clip's name of it, ``side`` in pixels."""

    folder: Path
    architecture: str | None
    dimension: int
    side: int
    source: Source

    def tower(self, tower: Literal["visual", "textual"], precision: Precision) -> Path:
        """The file of one tower for a precision of this folder."""
        return self.folder / f"{tower}.{precision}.onnx"


def converted(checkpoint: Path, precision: Precision) -> ConvertedModel:
    """The model of a checkpoint, converted now unless that was done before. It blocks for seconds.

    The checkpoint may be gone once it was converted. Raises ModelMissingError where neither is
    there, BadCheckpointError for what is no Chinese-CLIP checkpoint, and UnavailableError where the
    folder cannot be written.
    """
    if (found := already_converted(checkpoint, precision)) is not None:
        return found
    folder = _folder(checkpoint, precision)
    if not checkpoint.is_file():
        raise ModelMissingError(
            f"{checkpoint} is not there, and was not converted to {folder.name} weights before: "
            "run 'immich-aio models pull' or 'immich-aio models import'."
        )
    try:
        folder.parent.mkdir(exist_ok=True)
        with FileLock(folder.parent / ".lock"):
            found = _read(folder, checkpoint)
            return found or _convert(checkpoint, folder, PRECISIONS[folder.name])
    except OSError as error:
        raise UnavailableError(
            f"{checkpoint.name} cannot be converted in {folder.parent}: {error.strerror or error}. "
            "The folder must be writable, with room for another copy of the model."
        ) from None


def already_converted(checkpoint: Path, precision: Precision) -> ConvertedModel | None:
    """What an earlier ``converted`` made of a checkpoint, if it is whole and not stale."""
    return _read(_folder(checkpoint, precision), checkpoint)


def onnx_folder(checkpoint: Path) -> Path:
    """Where what is made of a checkpoint is kept."""
    return checkpoint.with_suffix(".onnx")


def damaged_files(folder: Path) -> list[str]:
    """The names of a converted model's files whose contents are not what was written."""
    manifest = json.loads((folder / MANIFEST).read_text())
    return [
        name
        for name, known in manifest["files"].items()
        if _sha256(folder / name) != known["sha256"]
    ]


def _folder(checkpoint: Path, precision: Precision) -> Path:
    return onnx_folder(checkpoint) / ("int8" if precision == "int8" else "full")


def _convert(checkpoint: Path, folder: Path, precisions: tuple[Precision, ...]) -> ConvertedModel:
    for abandoned in folder.parent.glob(f".{folder.name}-*"):  # by a process that was killed
        shutil.rmtree(abandoned, ignore_errors=True)
    started = time.perf_counter()
    status = checkpoint.stat()
    source = Source(status.st_size, status.st_mtime_ns, _sha256(checkpoint))
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write_towers(checkpoint, making, precisions, source)
        shutil.rmtree(folder, ignore_errors=True)
        making.rename(folder)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    log.info("%s converted to ONNX in %.1f s", checkpoint.name, time.perf_counter() - started)
    found = _read(folder, checkpoint)
    if found is None:
        raise UnavailableError(f"{checkpoint.name} changed while it was converted; try again.")
    return found


def _write_towers(
    checkpoint: Path, folder: Path, precisions: tuple[Precision, ...], source: Source
) -> None:
    opened = open_checkpoint(checkpoint)
    architecture = architecture_of(opened.shapes)

    def tensor(name: str) -> NDArray[np.float32]:
        return opened.tensor(name).astype(np.float32)

    for tower, graph_of in TOWERS.items():
        with Weights(folder / f"{tower}.weights") as weights:
            for precision in precisions:
                model = graph_of(architecture, tensor, weights, precision)
                _write(folder / f"{tower}.{precision}.onnx", model.SerializeToString())
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(folder.iterdir())
    }
    manifest = {
        "converter": CONVERTER,
        "architecture": architecture.official_name,
        "dimension": architecture.dimension,
        "side": architecture.vision.side,
        "source": asdict(source),
        "files": files,
    }
    _write(folder / MANIFEST, json.dumps(manifest, indent=1).encode())


def _read(folder: Path, checkpoint: Path) -> ConvertedModel | None:
    """What lies in the folder, if it is whole and of this checkpoint and this converter."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        source = Source(**manifest["source"])
        model = ConvertedModel(
            folder, manifest["architecture"], manifest["dimension"], manifest["side"], source
        )
        sizes = {name: known["bytes"] for name, known in manifest["files"].items()}
        whole = all((folder / name).stat().st_size == size for name, size in sizes.items())
        fresh = manifest["converter"] == CONVERTER and _is_source(checkpoint, source)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return model if whole and fresh else None


def _is_source(checkpoint: Path, source: Source) -> bool:
    with contextlib.suppress(FileNotFoundError):
        status = checkpoint.stat()
        if status.st_size != source.bytes:
            return False
        if status.st_mtime_ns != source.modified_ns:  # copied, perhaps, or touched
            return _sha256(checkpoint) == source.sha256
    return True


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Making ONNX files of a checkpoint, once for all processes and precisions.

A subfolder is whole or not there at all: it is made under another name, and renamed when its
manifest is written.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from immich_aio.engines.clip.checkpoint import open_checkpoint
from immich_aio.engines.clip.converted import (
    CONVERTER,
    MANIFEST,
    ConvertedModel,
    Source,
    already_converted,
    folder_for,
)
from immich_aio.engines.clip.graph import Weights
from immich_aio.engines.clip.state_dict import architecture_of
from immich_aio.engines.clip.tower_graphs import image_tower, text_tower
from immich_aio.engines.model_files.hashes import sha256_of
from immich_aio.engines.runtimes import Precision
from immich_aio.errors import ModelMissingError, UnavailableError

log = logging.getLogger(__name__)

TOWERS = {"visual": image_tower, "textual": text_tower}
FULL: tuple[Precision, ...] = ("f32", "bf16", "f16")
"""The precisions whose graphs share one file of weights."""


def converted(checkpoint: Path, precision: Precision) -> ConvertedModel:
    """The model of a checkpoint, converted now unless that was done before. It blocks for seconds.

    The checkpoint may be gone once it was converted. Raises ModelMissingError where neither is
    there, BadCheckpointError for what is no Chinese-CLIP checkpoint, and UnavailableError where the
    folder cannot be written.
    """
    if (found := already_converted(checkpoint, precision)) is not None:
        return found
    folder = folder_for(checkpoint, precision)
    if not checkpoint.is_file():
        raise ModelMissingError(
            f"{checkpoint} is not there, and was not converted to {folder.name} weights before: "
            "run 'immich-aio models pull' or 'immich-aio models import'."
        )
    try:
        folder.parent.mkdir(exist_ok=True)
        with FileLock(folder.parent / ".lock"):
            found = already_converted(checkpoint, precision)  # by whoever held the lock
            return found or _convert(checkpoint, folder, precision)
    except OSError as error:
        raise UnavailableError(
            f"{checkpoint.name} cannot be converted in {folder.parent}: {error.strerror or error}. "
            "The folder must be writable, with room for another copy of the model."
        ) from None


def _convert(checkpoint: Path, folder: Path, precision: Precision) -> ConvertedModel:
    for abandoned in folder.parent.glob(f".{folder.name}-*"):  # by a process that was killed
        shutil.rmtree(abandoned, ignore_errors=True)
    started = time.perf_counter()
    status = checkpoint.stat()
    source = Source(status.st_size, status.st_mtime_ns, sha256_of(checkpoint))
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write_towers(checkpoint, making, FULL if precision in FULL else (precision,), source)
        shutil.rmtree(folder, ignore_errors=True)
        making.rename(folder)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    log.info("%s converted to ONNX in %.1f s", checkpoint.name, time.perf_counter() - started)
    found = already_converted(checkpoint, precision)
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
        path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
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


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())

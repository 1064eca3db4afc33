"""What a conversion leaves beside a checkpoint: folders of ONNX files, and what they say of it.

``clip_cn_vit-b-16.pt`` gets a folder ``clip_cn_vit-b-16.onnx`` with a subfolder for the full
weights and, where they were asked for, one for the quantised ones. Each has a manifest, written
last; what it says is checked before the files are used.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from immich_aio.engines.model_files.hashes import sha256_of
from immich_aio.engines.runtimes import Precision

CONVERTER = 1
"""Raise it whenever the graphs change: what an older converter made is made anew."""

MANIFEST = "manifest.json"


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


def onnx_folder(checkpoint: Path) -> Path:
    """Where what is made of a checkpoint is kept."""
    return checkpoint.with_suffix(".onnx")


def folder_for(checkpoint: Path, precision: Precision) -> Path:
    """The subfolder of the weights that a precision computes with."""
    return onnx_folder(checkpoint) / ("int8" if precision == "int8" else "full")


def already_converted(checkpoint: Path, precision: Precision) -> ConvertedModel | None:
    """What was made of a checkpoint, if it is whole, not stale, and of this converter."""
    folder = folder_for(checkpoint, precision)
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


def conversions(checkpoint: Path) -> list[ConvertedModel]:
    """All that was made of a checkpoint and can be used: full weights, quantised ones, or both."""
    kinds: tuple[Precision, ...] = ("f32", "int8")
    return [found for kind in kinds if (found := already_converted(checkpoint, kind)) is not None]


def damaged_files(model: ConvertedModel) -> list[str]:
    """The names of a model's files whose contents are not what was written."""
    manifest = json.loads((model.folder / MANIFEST).read_text())
    return [
        name
        for name, known in manifest["files"].items()
        if sha256_of(model.folder / name) != known["sha256"]
    ]


def _is_source(checkpoint: Path, source: Source) -> bool:
    """Whether the checkpoint is the one that was converted; it may be gone by now."""
    with contextlib.suppress(FileNotFoundError):
        status = checkpoint.stat()
        if status.st_size != source.bytes:
            return False
        if status.st_mtime_ns != source.modified_ns:  # copied, perhaps, or touched
            return sha256_of(checkpoint) == source.sha256
    return True

"""The baseline in a process of its own: ``cn_clip`` on PyTorch in float32, as mt-photos-ai runs it.

Run by the Python that has both (``./aio bench clip`` sees to that), over a checkpoint and a folder
of image files. For every line of JSON on standard input it answers with one:

    {"do": "images", "batch": B}   seconds to encode B preprocessed images
    {"do": "texts", "batch": B}    seconds to tokenise and encode B texts
    {"do": "files"}                seconds to decode, preprocess and encode every file, one by one
    {"do": "vectors", "path": P}   writes the vectors of all files and texts to P
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from bench.clip_samples import QUERIES
from immich_aio.engines.clip.architecture import OFFICIAL
from tests.reference.cn_clip_model import Reference, tokenised

MODEL = "ViT-B-16"


class Baseline:
    """The reference over the files of a folder."""

    def __init__(self, checkpoint: Path, folder: Path) -> None:
        self._reference = Reference(checkpoint, OFFICIAL[MODEL])
        self._files = [path.read_bytes() for path in sorted(folder.iterdir())]
        planes = [self._reference.preprocessed(file) for file in self._files[:8]]
        self._planes = torch.stack(planes)

    def images(self, batch: int) -> None:
        """Encode preprocessed images."""
        self._reference.image_vectors(self._planes[:batch])

    def texts(self, batch: int) -> None:
        """Tokenise and encode texts."""
        self._reference.text_vectors(tokenised(list(QUERIES[:batch])))

    def files(self) -> None:
        """Every file from bytes to vector."""
        for file in self._files:
            self._reference.image_vectors(self._reference.preprocessed(file)[None])

    def write_vectors(self, path: Path) -> None:
        """The vectors of all files and texts, for comparison."""
        planes = torch.stack([self._reference.preprocessed(file) for file in self._files])
        images = [self._reference.image_vectors(part) for part in planes.split(8)]
        texts = self._reference.text_vectors(tokenised(list(QUERIES)))
        np.savez(path, images=np.concatenate(images), texts=texts)


def main() -> None:
    """Serve until standard input closes."""
    baseline = Baseline(Path(sys.argv[1]), Path(sys.argv[2]))
    for batch in (1, 8):
        baseline.images(batch)
        baseline.texts(batch)
    _say("ready")
    for line in sys.stdin:
        asked = json.loads(line)
        tasks: dict[str, Callable[[], None]] = {
            "images": lambda asked=asked: baseline.images(asked["batch"]),
            "texts": lambda asked=asked: baseline.texts(asked["batch"]),
            "files": baseline.files,
            "vectors": lambda asked=asked: baseline.write_vectors(Path(asked["path"])),
        }
        started = time.perf_counter()
        tasks[asked["do"]]()
        _say(time.perf_counter() - started)


def _say(value: object) -> None:
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

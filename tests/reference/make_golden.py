"""Write the golden files of tests/data, by cn_clip on PyTorch. Run: ./aio reference golden."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.checkpoints import random_tensor, write_random_checkpoint
from bench.clip_samples import TEXTS
from immich_aio.engines.clip.architecture import Architecture
from immich_aio.engines.clip.state_dict import shapes_of
from tests.clip_golden import (
    ARCHITECTURES,
    IMAGES,
    TINY,
    TINY_ARCHITECTURE,
    TOKENS,
    VECTORS,
)
from tests.reference.cn_clip_model import Reference, tokenised
from tests.reference.texts import texts


def main() -> None:
    """Write the tiny checkpoint, the vectors of every architecture, and the tokens."""
    _save_tiny()
    vectors: dict[str, NDArray[np.float16]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, architecture in ARCHITECTURES.items():
            checkpoint = TINY
            if architecture != TINY_ARCHITECTURE:
                checkpoint = Path(folder, "checkpoint.pt")
                write_random_checkpoint(checkpoint, architecture)
            images, of_texts = _vectors(checkpoint, architecture)
            vectors |= {f"{name}/image": images, f"{name}/text": of_texts}
            sys.stdout.write(f"{name}\n")
    # As float16 they are a quarter as large, and a cosine of 1 stays 1 to seven digits.
    np.savez_compressed(VECTORS, **vectors)
    np.savez_compressed(TOKENS, tokens=np.asarray(tokenised(list(texts())), np.uint16))


def _vectors(
    checkpoint: Path, architecture: Architecture
) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    reference = Reference(checkpoint, architecture)
    planes = torch.stack([reference.preprocessed(image) for image in IMAGES])
    tokens = tokenised(list(TEXTS))
    return (
        reference.image_vectors(planes).astype(np.float16),
        reference.text_vectors(tokens).astype(np.float16),
    )


def _save_tiny() -> None:
    """A checkpoint that ``torch.save`` itself wrote, in float16 as some published ones are."""
    state = {
        f"module.{name}": torch.from_numpy(random_tensor(name, shape, 1)).half()
        for name, shape in shapes_of(TINY_ARCHITECTURE).items()
    }
    words = "module.bert.embeddings.word_embeddings.weight"
    state[words] = state[words].sign() * 0.25  # so that it takes little room in the repository
    state["module.logit_scale"] = torch.tensor(4.6)
    TINY.parent.mkdir(exist_ok=True)
    torch.save({"epoch": 1, "name": "tiny", "state_dict": state}, TINY)


if __name__ == "__main__":
    main()

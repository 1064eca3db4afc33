"""The golden vectors of Chinese-CLIP, which ``cn_clip`` on PyTorch made, and what they are of.

``tests/reference/make_golden.py`` writes the files; the tests read them, and need no PyTorch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.clip_samples import picture_file
from immich_aio.engines.clip.architecture import (
    OFFICIAL,
    Architecture,
    TextTransformer,
    VisionTransformer,
)

DATA = Path(__file__).parent / "data"
TINY = DATA / "tiny.pt"
VECTORS = DATA / "clip_vectors.npz"
TOKENS = DATA / "clip_tokens.npz"


def _shallow(name: str, layers: int) -> Architecture:
    full = OFFICIAL[name]
    assert isinstance(full.vision, VisionTransformer)
    return dataclasses.replace(
        full,
        vision=dataclasses.replace(full.vision, layers=layers),
        text=dataclasses.replace(full.text, layers=layers),
    )


TINY_ARCHITECTURE = Architecture(
    VisionTransformer(side=224, patch=32, width=64, layers=2), TextTransformer(64, 2), 512
)
"""That of ``tiny.pt``, which PyTorch itself saved."""

ARCHITECTURES: Mapping[str, Architecture] = {
    "tiny": TINY_ARCHITECTURE,
    "ViT-B-16": OFFICIAL["ViT-B-16"],
    "RN50": OFFICIAL["RN50"],
    "ViT-L-14 of 2 layers": _shallow("ViT-L-14", 2),
    "ViT-L-14-336 of 2 layers": _shallow("ViT-L-14-336", 2),
    "ViT-H-14 of 2 layers": _shallow("ViT-H-14", 2),
}
"""A tiny one, and the five that were published: two in full, and the deep ones with two layers."""

IMAGES = tuple(picture_file(number, 320 - 20 * number, 200 + 30 * number) for number in range(4))


def golden(name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The reference's vectors of IMAGES and of bench.clip_samples.TEXTS, of length 1."""
    with np.load(VECTORS) as stored:
        images, texts = (stored[f"{name}/{kind}"].astype(np.float32) for kind in ("image", "text"))
    return images, texts


def least_cosine(ours: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """The smallest cosine of two lists of vectors, pair by pair."""
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(reference, axis=1)
    return float(((ours.astype(np.float64) * reference).sum(axis=1) / lengths).min())

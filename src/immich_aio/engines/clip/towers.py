"""The two towers, loaded: pictures or tokens in, vectors out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from immich_aio.engines.clip.converted import ConvertedModel
from immich_aio.engines.clip.text_transformer import PADDING
from immich_aio.engines.runtimes import Choice
from immich_aio.engines.sessions import load

Vectors = NDArray[np.float32]

LENGTH_STEP = 4
"""Lengths of texts are filled up to multiples of this, in tokens: few shapes, flat memory. It
divides CONTEXT, for which the tower has positions, and no more."""


class ImageTower:
    """The image tower of a model; not for two threads at once."""

    def __init__(self, model: ConvertedModel, choice: Choice) -> None:
        self._session = load(model.tower("visual", choice.precision), choice).session()

    def vectors(self, pixels: Sequence[NDArray[np.uint8]]) -> Vectors:
        """Vectors of length 1, (pictures, dimension), of pictures (side, side, 3)."""
        return self._session.run(np.stack(pixels)).copy()


class TextTower:
    """The text tower of a model; not for two threads at once."""

    def __init__(self, model: ConvertedModel, choice: Choice) -> None:
        self._session = load(model.tower("textual", choice.precision), choice).session()

    def vectors(self, texts: Sequence[Sequence[int]]) -> Vectors:
        """Vectors of length 1, (texts, dimension), of texts as tokens."""
        return self._session.run(filled_up(texts)).copy()


def filled_up(texts: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Texts of several lengths as one array (texts, length), no longer than it must be."""
    length = -(-max(map(len, texts)) // LENGTH_STEP) * LENGTH_STEP
    batch = np.full((len(texts), length), PADDING, np.int64)
    for row, tokens in zip(batch, texts, strict=True):
        row[: len(tokens)] = tokens
    return batch

"""Hold our vectors against cn_clip's, live, for all five architectures. Run: ./aio reference.

Each is a random checkpoint in the official format, at full size unless ``--layers`` says otherwise.
Prints the least cosines, in float32 and as served on this machine, and ends with status 1 where one
is too low: 0.99999 and 0.999.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.checkpoints import write_random_checkpoint
from bench.clip_samples import TEXTS
from immich_aio.domain.images import ImageLimits
from immich_aio.engines.clip.architecture import OFFICIAL, Architecture, VisionTransformer
from immich_aio.engines.clip.choice import clip_choice
from immich_aio.engines.clip.conversion import converted
from immich_aio.engines.clip.preprocessing import square
from immich_aio.engines.clip.tokeniser import Tokeniser
from immich_aio.engines.clip.towers import ImageTower, TextTower
from immich_aio.engines.cores import usable_cores
from immich_aio.engines.runtimes import Choice
from tests.clip_golden import IMAGES, least_cosine
from tests.reference.cn_clip_model import Reference, tokenised
from tests.reference.texts import texts

Vectors = tuple[NDArray[np.float32], NDArray[np.float32]]


def main() -> int:
    """Compare, print, and say whether all is well."""
    parser = argparse.ArgumentParser(prog="reference", description=__doc__)
    parser.add_argument("--models", nargs="*", default=list(OFFICIAL), choices=list(OFFICIAL))
    parser.add_argument("--layers", type=int, help="as many layers at most, for less memory")
    options = parser.parse_args()
    _say(f"tokens equal on {_compare_tokens()} texts")
    fine = True
    for name in options.models:
        fine &= _compare(name, _shallow(OFFICIAL[name], options.layers))
    return 0 if fine else 1


def _compare_tokens() -> int:
    """The number of texts, all of which have the same tokens on both sides."""
    tokeniser, given = Tokeniser(), list(texts())
    for text, row in zip(given, tokenised(given).tolist(), strict=True):
        tokens = tokeniser.tokens(text)
        assert [*tokens, *[0] * (len(row) - len(tokens))] == row, repr(text)
    return len(given)


def _compare(name: str, architecture: Architecture) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder, "checkpoint.pt")
        write_random_checkpoint(checkpoint, architecture)
        theirs = _reference_vectors(checkpoint, architecture)
        gc.collect()
        fine = True
        for choice, least in (
            (clip_choice("onnxruntime", "cpu", "f32", usable_cores()), 0.99999),
            (clip_choice("auto", "cpu", "auto", usable_cores()), 0.999),
        ):
            ours = _our_vectors(checkpoint, choice)
            image, text = (least_cosine(*pair) for pair in zip(ours, theirs, strict=True))
            fine &= min(image, text) >= least
            _say(f"{name:<13} {choice.description:<24} image {image:.7f}  text {text:.7f}")
    return fine


def _reference_vectors(checkpoint: Path, architecture: Architecture) -> Vectors:
    reference = Reference(checkpoint, architecture)
    planes = torch.stack([reference.preprocessed(file) for file in IMAGES])
    return reference.image_vectors(planes), reference.text_vectors(tokenised(list(TEXTS)))


def _our_vectors(checkpoint: Path, choice: Choice) -> Vectors:
    model, tokeniser = converted(checkpoint, choice.precision), Tokeniser()
    pictures = [square(file, ImageLimits(), model.side).pixels for file in IMAGES]
    images = ImageTower(model, choice).vectors(pictures)
    return images, TextTower(model, choice).vectors([tokeniser.tokens(text) for text in TEXTS])


def _shallow(architecture: Architecture, layers: int | None) -> Architecture:
    vision, text = architecture.vision, architecture.text
    if layers is None or not isinstance(vision, VisionTransformer):
        return architecture
    return dataclasses.replace(
        architecture,
        vision=dataclasses.replace(vision, layers=min(layers, vision.layers)),
        text=dataclasses.replace(text, layers=min(layers, text.layers)),
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

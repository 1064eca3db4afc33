"""Draws the sandbox's model: ``python -m samples.colours``, from the repository root.

A Chinese-CLIP checkpoint in the official format whose weights were thought out, not trained. It
sees which colours a picture has and knows some words for them, and nothing else, so that smart
search can be tried where no model was fetched, through every part that the real one goes through.

How it computes: every token carries ± pairs of numbers, so that layer normalisation only divides,
and a constant that is large beside them, so that it divides by nearly the same. In the image tower
the mean colour of a patch passes the first layer's units, each of which answers to one colour; the
second layer's attention, which looks everywhere alike, gives their mean to the first token. The
text tower does the same with words.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.checkpoints import write_checkpoint
from immich_aio.engines.clip.architecture import Architecture, TextTransformer, VisionTransformer
from immich_aio.engines.clip.state_dict import shapes_of
from immich_aio.engines.clip.tokeniser import Tokeniser
from immich_aio.engines.clip.tower_graphs import DEVIATION, MEAN

FILE = Path(__file__).parents[1] / "src/immich_aio/services/sandbox/model/colours.pt"
ARCHITECTURE = Architecture(VisionTransformer(224, 32, 64, 2), TextTransformer(64, 1), 512)

COLOURS: dict[str, tuple[tuple[float, float, float], float, str]] = {
    # What of red, green and blue (0…1) makes a patch look so, above which threshold; and its words.
    "blue": (
        (-0.6, -0.4, 1.0),
        0.05,
        "蓝 海 天 空 水 湖 河 blue sea sky water lake river beach ocean",
    ),
    "green": ((-0.5, 1.0, -0.5), 0.03, "绿 草 树 林 森 叶 园 green grass tree forest garden park"),
    "red": ((1.0, -0.5, -0.5), 0.2, "红 火 red fire"),
    "yellow": ((0.5, 0.5, -1.0), 0.08, "黄 沙 滩 夕 阳 金 yellow sand sun gold beach"),
    "white": ((1 / 3, 1 / 3, 1 / 3), 0.78, "白 纸 票 据 雪 white paper ticket snow document"),
    "dark": ((-1 / 3, -1 / 3, -1 / 3), -0.25, "黑 夜 晚 暗 black night dark"),
    "purple": ((0.5, -1.0, 0.5), 0.08, "紫 粉 花 purple pink flower"),
}

COLOUR, CONSTANT, SEEN, POOLED = 0, 6, 8, 24
"""Where the pairs of numbers begin: red, green, blue; the constant; what a token sees; the mean."""

LARGE = 8.0
SCALE = LARGE * (2 / 64) ** 0.5
"""What layer normalisation divides by, nearly; its weights give it back."""

SHARPNESS = 12.0
"""How steep a unit answers; a QuickGELU is nearly straight beyond."""

ATTENTION = 6.0
WORD = 3.0
BACKGROUND = 0.004
"""What every vector has in common, so that none is zero."""

Array = NDArray[np.float32]


def main() -> None:
    """Write the checkpoint."""
    made = {**_image_tower(), **_text_tower()}
    FILE.parent.mkdir(exist_ok=True)
    write_checkpoint(FILE, _filled(made))


def _filled(made: dict[str, Array]) -> Iterator[tuple[str, NDArray[np.float16]]]:
    """Every tensor of the architecture: what was made, norms that change nothing, zeros."""
    for name, shape in shapes_of(ARCHITECTURE).items():
        values = made.get(name, np.zeros(shape, np.float32))
        if name not in made and name.endswith(".weight") and ("ln_" in name or "Norm" in name):
            values = np.full(shape, SCALE, np.float32)
        if values.shape != shape:
            raise ValueError(f"{name} has the shape {values.shape}, not {shape}")
        yield f"module.{name}", values.astype(np.float16)


def _image_tower() -> dict[str, Array]:
    first, second = (f"visual.transformer.resblocks.{number}." for number in range(2))
    kernel = np.zeros((64, 3, 32, 32), np.float32)
    positions = np.zeros((50, 64), np.float32)
    _set_pair(positions, CONSTANT, LARGE)
    for channel in range(3):
        kernel[COLOUR + 2 * channel, channel] = 1 / 1024
        kernel[COLOUR + 2 * channel + 1, channel] = -1 / 1024
    into, bias, out = (np.zeros(shape, np.float32) for shape in ((256, 64), (256,), (64, 256)))
    for unit, (mixture, threshold, _) in enumerate(COLOURS.values()):
        weights = np.array(mixture) * DEVIATION  # the tower is given normalised numbers
        into[unit, COLOUR : COLOUR + 6 : 2] = SHARPNESS * weights
        bias[unit] = SHARPNESS * (np.dot(mixture, MEAN) - threshold)
        out[SEEN + 2 * unit, unit], out[SEEN + 2 * unit + 1, unit] = 1 / SHARPNESS, -1 / SHARPNESS
    inner = np.zeros((192, 64), np.float32)
    inner[128:] = _pooling()
    return {
        "visual.conv1.weight": kernel,
        "visual.positional_embedding": positions,
        f"{first}mlp.c_fc.weight": into,
        f"{first}mlp.c_fc.bias": bias,
        f"{first}mlp.c_proj.weight": out,
        f"{second}attn.in_proj_weight": inner,
        f"{second}attn.out_proj.weight": np.eye(64, dtype=np.float32),
        "visual.proj": _projection(),
    }


def _text_tower() -> dict[str, Array]:
    start, layer = "bert.embeddings.", "bert.encoder.layer.0."
    words = np.zeros((21128, 64), np.float32)
    tokeniser = Tokeniser()
    for unit, (_, _, known) in enumerate(COLOURS.values()):
        for word in known.split():
            _, token, *rest, _ = tokeniser.tokens(word)
            if not rest:  # a word that BERT's vocabulary has in pieces would be known by its first
                words[token, SEEN + 2 * unit] = WORD
                words[token, SEEN + 2 * unit + 1] = -WORD
    positions = np.zeros((512, 64), np.float32)
    _set_pair(positions, CONSTANT, LARGE)
    return {
        f"{start}word_embeddings.weight": words,
        f"{start}position_embeddings.weight": positions,
        f"{layer}attention.self.value.weight": _pooling(),
        f"{layer}attention.output.dense.weight": np.eye(64, dtype=np.float32),
        "text_projection": _projection(),
    }


def _pooling() -> Array:
    """From what a token sees to what the mean of all is kept as."""
    matrix = np.zeros((64, 64), np.float32)
    for number in range(2 * len(COLOURS)):
        matrix[POOLED + number, SEEN + number] = ATTENTION
    return matrix


def _projection() -> Array:
    """Each colour in a direction of its own of the 512."""
    matrix = np.zeros((64, 512), np.float32)
    for unit in range(len(COLOURS)):
        matrix[POOLED + 2 * unit, 64 * unit : 64 * (unit + 1)] = 1
    matrix[CONSTANT, 64 * len(COLOURS) :] = BACKGROUND
    return matrix


def _set_pair(rows: Array, start: int, value: float) -> None:
    rows[:, start], rows[:, start + 1] = value, -value


if __name__ == "__main__":
    main()

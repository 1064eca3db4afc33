"""The tensors of a Chinese-CLIP checkpoint: which network they make, and whether all are there.

Names are those of ``cn_clip`` 1.6.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isqrt
from types import MappingProxyType

from immich_aio.engines.clip.architecture import (
    CONTEXT,
    VOCABULARY,
    Architecture,
    ModifiedResNet,
    TextTransformer,
    VisionTransformer,
)
from immich_aio.errors import BadCheckpointError

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]


def architecture_of(shapes: Shapes) -> Architecture:
    """The architecture that these tensors make.

    Raises BadCheckpointError naming a tensor that is missing or has another shape.
    """
    dimension = _shape(shapes, "text_projection", 2)[1]
    transformer = any(name.startswith("visual.transformer.") for name in shapes)
    vision = _vision_transformer(shapes) if transformer else _modified_resnet(shapes)
    found = Architecture(vision, _text_transformer(shapes), dimension)
    for name, expected in shapes_of(found, shapes).items():
        if shapes.get(name) != expected:
            have = f"has the shape {shapes[name]}" if name in shapes else "is missing"
            raise BadCheckpointError(
                f"This is no Chinese-CLIP checkpoint: {name} {have}, where {expected} belongs."
            )
    return found


def shapes_of(architecture: Architecture, given: Shapes = MappingProxyType({})) -> dict[str, Shape]:
    """Every tensor that the towers need, and its shape.

    What an architecture leaves open, the widths of its feed-forward layers and the positions of its
    text tower, is taken from ``given``, and is the published models' where that is silent.
    """
    vision, text, dimension = architecture.vision, architecture.text, architecture.dimension
    if isinstance(vision, VisionTransformer):
        needed = _tensors_of_transformer(vision, dimension, given)
    else:
        needed = _tensors_of_resnet(vision, dimension)
    return needed | _tensors_of_text(text, dimension, given)


def _vision_transformer(shapes: Shapes) -> VisionTransformer:
    width, _, patch, _ = _shape(shapes, "visual.conv1.weight", 4)
    positions, _ = _shape(shapes, "visual.positional_embedding", 2)
    layers = _count(shapes, "visual.transformer.resblocks.")
    return VisionTransformer(isqrt(max(positions - 1, 1)) * patch, patch, width, layers)


def _modified_resnet(shapes: Shapes) -> ModifiedResNet:
    width = _shape(shapes, "visual.conv3.weight", 4)[0]
    positions, _ = _shape(shapes, "visual.attnpool.positional_embedding", 2)
    blocks = (_count(shapes, f"visual.layer{stage}.") for stage in range(1, 5))
    return ModifiedResNet(isqrt(max(positions - 1, 1)) * 32, width, tuple(blocks))


def _text_transformer(shapes: Shapes) -> TextTransformer:
    _, width = _shape(shapes, "bert.embeddings.word_embeddings.weight", 2)
    return TextTransformer(width, _count(shapes, "bert.encoder.layer."))


def _shape(shapes: Shapes, name: str, rank: int) -> Shape:
    """A tensor's shape. Raises BadCheckpointError where it is missing or has another rank."""
    shape = shapes.get(name)
    if shape is None or len(shape) != rank:
        raise BadCheckpointError(
            f"This is no Chinese-CLIP checkpoint: {name} is "
            f"{'missing' if shape is None else f'of the shape {shape}'}."
        )
    return shape


def _count(shapes: Shapes, prefix: str) -> int:
    """How many numbered blocks there are, by the highest number: none of them may be missing."""
    pattern = re.compile(re.escape(prefix) + r"(\d{1,3})\.")
    numbers = [int(found[1]) for found in map(pattern.match, shapes) if found]
    if not numbers:
        raise BadCheckpointError(f"This is no Chinese-CLIP checkpoint: {prefix}0 is missing.")
    return max(numbers) + 1


def _tensors_of_transformer(
    vision: VisionTransformer, dimension: int, shapes: Shapes
) -> dict[str, Shape]:
    width, grid = vision.width, vision.side // vision.patch
    needed: dict[str, Shape] = {
        "visual.conv1.weight": (width, 3, vision.patch, vision.patch),
        "visual.class_embedding": (width,),
        "visual.positional_embedding": (grid * grid + 1, width),
        "visual.proj": (width, dimension),
    }
    for norm in ("visual.ln_pre", "visual.ln_post"):
        needed |= _pair(norm, (width,))
    for layer in range(vision.layers):
        block = f"visual.transformer.resblocks.{layer}"
        hidden = shapes.get(f"{block}.mlp.c_fc.bias", (4 * width,))[0]
        needed |= {
            f"{block}.attn.in_proj_weight": (3 * width, width),
            f"{block}.attn.in_proj_bias": (3 * width,),
            **_pair(f"{block}.attn.out_proj", (width, width)),
            **_pair(f"{block}.mlp.c_fc", (hidden, width)),
            **_pair(f"{block}.mlp.c_proj", (width, hidden)),
            **_pair(f"{block}.ln_1", (width,)),
            **_pair(f"{block}.ln_2", (width,)),
        }
    return needed


def _tensors_of_resnet(vision: ModifiedResNet, dimension: int) -> dict[str, Shape]:
    half, width, features = vision.width // 2, vision.width, vision.features
    needed = (
        _convolution("visual.", 1, (half, 3, 3, 3))
        | _convolution("visual.", 2, (half, half, 3, 3))
        | _convolution("visual.", 3, (width, half, 3, 3))
    )
    channels = width
    for stage, blocks in enumerate(vision.blocks):
        planes = width << stage
        for block in range(blocks):
            name = f"visual.layer{stage + 1}.{block}."
            needed |= _convolution(name, 1, (planes, channels, 1, 1))
            needed |= _convolution(name, 2, (planes, planes, 3, 3))
            needed |= _convolution(name, 3, (4 * planes, planes, 1, 1))
            if block == 0:
                needed[f"{name}downsample.0.weight"] = (4 * planes, channels, 1, 1)
                needed |= _statistics(f"{name}downsample.1", 4 * planes)
            channels = 4 * planes
    pool = "visual.attnpool."
    needed[f"{pool}positional_embedding"] = ((vision.side // 32) ** 2 + 1, features)
    for part in ("q_proj", "k_proj", "v_proj"):
        needed |= _pair(pool + part, (features, features))
    return needed | _pair(f"{pool}c_proj", (dimension, features))


def _tensors_of_text(text: TextTransformer, dimension: int, shapes: Shapes) -> dict[str, Shape]:
    width, start = text.width, "bert.embeddings."
    positions = shapes.get(f"{start}position_embeddings.weight", (512,))[0]
    needed: dict[str, Shape] = {
        f"{start}word_embeddings.weight": (VOCABULARY, width),
        f"{start}position_embeddings.weight": (max(positions, CONTEXT), width),
        f"{start}token_type_embeddings.weight": (2, width),
        **_pair(f"{start}LayerNorm", (width,)),
        "text_projection": (width, dimension),
    }
    for layer in range(text.layers):
        block = f"bert.encoder.layer.{layer}."
        hidden = shapes.get(f"{block}intermediate.dense.bias", (4 * width,))[0]
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            needed |= _pair(f"{block}attention.{part}", (width, width))
        needed |= _pair(f"{block}attention.output.LayerNorm", (width,))
        needed |= _pair(f"{block}intermediate.dense", (hidden, width))
        needed |= _pair(f"{block}output.dense", (width, hidden))
        needed |= _pair(f"{block}output.LayerNorm", (width,))
    return needed


def _pair(name: str, shape: Shape) -> dict[str, Shape]:
    """Weight and bias of a layer."""
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _convolution(prefix: str, number: int, shape: Shape) -> dict[str, Shape]:
    """A convolution without bias, and the batch normalisation that follows it."""
    return {
        f"{prefix}conv{number}.weight": shape,
        **_statistics(f"{prefix}bn{number}", shape[0]),
    }


def _statistics(name: str, channels: int) -> dict[str, Shape]:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in parts}

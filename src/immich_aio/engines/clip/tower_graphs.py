"""Both towers as ONNX models: what goes in, which network it is, and a vector of length 1 out."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper

from immich_aio.engines.clip.architecture import Architecture, VisionTransformer
from immich_aio.engines.clip.graph import Graph, Tensors, Weights
from immich_aio.engines.clip.modified_resnet import modified_resnet
from immich_aio.engines.clip.text_transformer import text_transformer
from immich_aio.engines.clip.vision_transformer import vision_transformer
from immich_aio.engines.runtimes import Precision

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of red, green and blue in 0…1: OpenAI's for CLIP, which cn_clip keeps."""


def image_tower(
    architecture: Architecture, tensors: Tensors, weights: Weights, precision: Precision
) -> ModelProto:
    """``pixels`` (batch, side, side, 3), uint8, red-green-blue → ``vector`` (batch, dimension)."""
    vision = architecture.vision
    shape: list[str | int | None] = ["batch", vision.side, vision.side, 3]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, shape)
    graph = Graph(weights, precision)
    x = _normalised(graph, pixels.name)
    if isinstance(vision, VisionTransformer):
        vector = vision_transformer(graph, x, tensors, vision)
    else:
        vector = modified_resnet(graph, x, tensors, vision)
    return graph.finish(vector, pixels, architecture.dimension)


def text_tower(
    architecture: Architecture, tensors: Tensors, weights: Weights, precision: Precision
) -> ModelProto:
    """``tokens`` (batch, length), int64, 0 filling up → ``vector`` (batch, dimension)."""
    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, ["batch", "length"])
    graph = Graph(weights, precision)
    vector = text_transformer(graph, tokens.name, tensors, architecture.text)
    return graph.finish(vector, tokens, architecture.dimension)


def _normalised(graph: Graph, pixels: str) -> str:
    """Bytes of pixels as planes of the network's range, by the same steps as the reference's."""
    x = graph.op("Div", graph.to_stream(pixels), graph.number(255.0))
    x = graph.op("Sub", x, graph.constant("mean", np.array(MEAN)))
    x = graph.op("Div", x, graph.constant("deviation", np.array(DEVIATION)))
    return graph.op("Transpose", x, perm=[0, 3, 1, 2])

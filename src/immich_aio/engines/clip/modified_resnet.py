"""The image tower of RN50 as an ONNX graph."""

from __future__ import annotations

from immich_aio.engines.clip.architecture import ModifiedResNet
from immich_aio.engines.clip.graph import Graph, Tensors

EPSILON = 1e-5


def modified_resnet(graph: Graph, pixels: str, tensors: Tensors, of: ModifiedResNet) -> str:
    """From normalised pixels (batch, 3, side, side) to the vector before it is scaled."""
    x = _relu(graph, _convolved(graph, pixels, tensors, "visual.", 1, stride=2))
    for number in (2, 3):
        x = _relu(graph, _convolved(graph, x, tensors, "visual.", number))
    x = _halved(graph, x)
    for stage, blocks in enumerate(of.blocks, start=1):
        for block in range(blocks):
            shrinks = block == 0 and stage > 1
            x = _bottleneck(graph, x, tensors, f"visual.layer{stage}.{block}.", shrinks=shrinks)
    return _attention_pool(graph, x, tensors, of)


def _bottleneck(graph: Graph, x: str, tensors: Tensors, name: str, *, shrinks: bool) -> str:
    """Three convolutions beside a shortcut; an average pool shrinks, the convolutions do not."""
    y = _relu(graph, _convolved(graph, x, tensors, name, 1))
    y = _relu(graph, _convolved(graph, y, tensors, name, 2))
    y = _halved(graph, y) if shrinks else y
    y = _convolved(graph, y, tensors, name, 3)
    if name.endswith(".0."):
        x = _halved(graph, x) if shrinks else x
        kernel = graph.halved(f"{name}downsample", tensors(f"{name}downsample.0.weight"))
        x = _normalised(graph, graph.op("Conv", x, kernel), tensors, f"{name}downsample.1")
    return _relu(graph, graph.op("Add", x, y))


def _attention_pool(graph: Graph, x: str, tensors: Tensors, of: ModifiedResNet) -> str:
    """The mean of all places asks them all; only its answer is computed."""
    name = "visual.attnpool."
    x = graph.op("Reshape", x, graph.ints(0, of.features, -1))
    x = graph.op("Transpose", x, perm=[0, 2, 1])
    mean = graph.op("ReduceMean", x, graph.ints(1), keepdims=1)
    x = graph.op("Concat", mean, x, axis=1)
    positions = tensors(f"{name}positional_embedding")
    x = graph.op("Add", x, graph.constant(f"{name}positions", positions[None]))
    query = _dense(graph, graph.first_token(x), tensors, f"{name}q_proj")
    key, value = (_dense(graph, x, tensors, f"{name}{part}_proj") for part in "kv")
    seen = graph.attention((query, key, value), of.heads, of.features)
    seen = graph.op("Reshape", seen, graph.ints(0, of.features))
    return _dense(graph, seen, tensors, f"{name}c_proj")


def _convolved(
    graph: Graph, x: str, tensors: Tensors, prefix: str, number: int, *, stride: int = 1
) -> str:
    weight = tensors(f"{prefix}conv{number}.weight")
    kernel = graph.halved(f"{prefix}conv{number}", weight)
    padding = weight.shape[-1] // 2
    x = graph.op("Conv", x, kernel, strides=[stride] * 2, pads=[padding] * 4)
    return _normalised(graph, x, tensors, f"{prefix}bn{number}")


def _normalised(graph: Graph, x: str, tensors: Tensors, name: str) -> str:
    parts = ("weight", "bias", "running_mean", "running_var")
    statistics = (graph.constant(f"{name}.{part}", tensors(f"{name}.{part}")) for part in parts)
    return graph.op("BatchNormalization", x, *statistics, epsilon=EPSILON)


def _halved(graph: Graph, x: str) -> str:
    return graph.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])


def _relu(graph: Graph, x: str) -> str:
    return graph.op("Relu", x)


def _dense(graph: Graph, x: str, tensors: Tensors, name: str) -> str:
    return graph.dense(name, x, tensors(f"{name}.weight"), tensors(f"{name}.bias"))

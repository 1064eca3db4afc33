"""The image tower of the ViT models as an ONNX graph."""

from __future__ import annotations

from immich_aio.engines.clip.architecture import VisionTransformer
from immich_aio.engines.clip.graph import Array, Graph, Tensors

EPSILON = 1e-5


def vision_transformer(graph: Graph, pixels: str, tensors: Tensors, of: VisionTransformer) -> str:
    """From normalised pixels (batch, 3, side, side) to the vector before it is scaled."""
    x = _norm(graph, _tokens(graph, pixels, tensors, of), tensors, "visual.ln_pre")
    for layer in range(of.layers):
        x = _block(graph, x, tensors, of, layer)
    x = graph.op("Reshape", x, graph.ints(0, of.width))
    x = _norm(graph, x, tensors, "visual.ln_post")
    return graph.project("visual.proj", x, tensors("visual.proj"))


def _tokens(graph: Graph, pixels: str, tensors: Tensors, of: VisionTransformer) -> str:
    """A token for the whole, and one a patch, each with its position."""
    kernel = graph.halved("visual.conv1.weight", tensors("visual.conv1.weight"))
    patches = graph.op("Conv", pixels, kernel, strides=[of.patch, of.patch])
    patches = graph.op("Reshape", patches, graph.ints(0, of.width, -1))
    patches = graph.op("Transpose", patches, perm=[0, 2, 1])
    positions = tensors("visual.positional_embedding")
    patches = graph.op("Add", patches, graph.constant("positions", positions[None, 1:]))
    whole = (tensors("visual.class_embedding") + positions[0])[None, None]
    batch = graph.op("Shape", patches, start=0, end=1)
    shape = graph.op("Concat", batch, graph.ints(1, of.width), axis=0)
    whole = graph.op("Expand", graph.constant("whole", whole), shape)
    return graph.op("Concat", whole, patches, axis=1)


def _block(graph: Graph, x: str, tensors: Tensors, of: VisionTransformer, layer: int) -> str:
    """One residual layer. Only the first token leaves the last one, so no other is computed."""
    name = f"visual.transformer.resblocks.{layer}"
    normed = _norm(graph, x, tensors, f"{name}.ln_1")
    weight, bias = tensors(f"{name}.attn.in_proj_weight"), tensors(f"{name}.attn.in_proj_bias")
    if layer == of.layers - 1:
        x = graph.first_token(x)
        parts = _parts_for_first(graph, normed, f"{name}.attn", weight, bias)
    else:
        query, key, value = graph.split(graph.dense(f"{name}.attn.in", normed, weight, bias), 3)
        parts = query, key, value
    seen = graph.attention(parts, of.heads, of.width)
    x = graph.op("Add", x, _dense(graph, seen, tensors, f"{name}.attn.out_proj"))
    hidden = _norm(graph, x, tensors, f"{name}.ln_2")
    hidden = _quick_gelu(graph, _dense(graph, hidden, tensors, f"{name}.mlp.c_fc"))
    return graph.op("Add", x, _dense(graph, hidden, tensors, f"{name}.mlp.c_proj"))


def _parts_for_first(
    graph: Graph, x: str, name: str, weight: Array, bias: Array
) -> tuple[str, str, str]:
    """Keys and values of all tokens, but the query of the first alone."""
    width = len(bias) // 3
    query = graph.dense(f"{name}.q", graph.first_token(x), weight[:width], bias[:width])
    key, value = graph.split(graph.dense(f"{name}.kv", x, weight[width:], bias[width:]), 2)
    return query, key, value


def _quick_gelu(graph: Graph, x: str) -> str:
    gate = graph.op("Sigmoid", graph.op("Mul", x, graph.number(1.702)))
    return graph.op("Mul", x, gate)


def _dense(graph: Graph, x: str, tensors: Tensors, name: str) -> str:
    return graph.dense(name, x, tensors(f"{name}.weight"), tensors(f"{name}.bias"))


def _norm(graph: Graph, x: str, tensors: Tensors, name: str) -> str:
    return graph.layer_norm(name, x, tensors(f"{name}.weight"), tensors(f"{name}.bias"), EPSILON)

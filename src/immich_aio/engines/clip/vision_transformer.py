"""The image tower of the ViT models as an ONNX graph."""

from __future__ import annotations

from immich_aio.engines.clip.architecture import VisionTransformer
from immich_aio.engines.clip.graph import Array, Graph, Tensors

Names = tuple[str, ...]

EPSILON = 1e-5

ROW_BLOCK = 64
"""OpenVINO's kernels for bf16 take rows in such blocks, divided among the threads: a multiplication
of 197 rows, as ViT-B-16 has tokens, took as long as one of 256."""


def vision_transformer(graph: Graph, pixels: str, tensors: Tensors, of: VisionTransformer) -> str:
    """From normalised pixels (batch, 3, side, side) to the vector before it is scaled."""
    tokens = _norm(graph, _tokens(graph, pixels, tensors, of), tensors, "visual.ln_pre")
    groups = _groups(graph, tokens, (of.side // of.patch) ** 2 + 1)
    for layer in range(of.layers):
        groups = _layer(graph, groups, tensors, of, layer)
    x = graph.op("Reshape", groups[0], graph.ints(0, of.width))
    x = _norm(graph, x, tensors, "visual.ln_post")
    return graph.project("visual.proj", x, tensors("visual.proj"))


def _groups(graph: Graph, tokens: str, count: int) -> list[str]:
    """All tokens, or in bf16 those that fill no block and then the others.

    Groups pass through every layer side by side and meet in attention only, which makes a lone
    picture an eighth faster (45 against 51 ms), and eight at once a hundredth slower. The token for
    the whole picture is the first of the first group.
    """
    rest = count % ROW_BLOCK
    if graph.precision != "bf16" or rest in {0, count}:
        return [tokens]
    cuts = ((0, rest), (rest, count))
    return [
        graph.op("Slice", tokens, graph.ints(start), graph.ints(end), graph.ints(1))
        for start, end in cuts
    ]


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


def _layer(
    graph: Graph, groups: list[str], tensors: Tensors, of: VisionTransformer, number: int
) -> list[str]:
    """One residual layer. Only the first token leaves the last one, so no other is computed."""
    name = f"visual.transformer.resblocks.{number}"
    normed = [_norm(graph, group, tensors, f"{name}.ln_1") for group in groups]
    weight, bias = tensors(f"{name}.attn.in_proj_weight"), tensors(f"{name}.attn.in_proj_bias")
    if number == of.layers - 1:
        groups = [graph.first_token(groups[0])]
        queries, keys, values = _parts_for_first(graph, normed, f"{name}.attn", weight, bias)
    else:
        together = (graph.dense(f"{name}.attn.in", group, weight, bias) for group in normed)
        queries, keys, values = zip(*(graph.split(each, 3) for each in together), strict=True)
    key, value = _joined(graph, keys), _joined(graph, values)
    seen = (graph.attention((query, key, value), of.heads, of.width) for query in queries)
    pairs = zip(groups, seen, strict=True)
    return [_after_attention(graph, group, each, tensors, name) for group, each in pairs]


def _after_attention(graph: Graph, x: str, seen: str, tensors: Tensors, name: str) -> str:
    x = graph.op("Add", x, _dense(graph, seen, tensors, f"{name}.attn.out_proj"))
    hidden = _norm(graph, x, tensors, f"{name}.ln_2")
    hidden = _quick_gelu(graph, _dense(graph, hidden, tensors, f"{name}.mlp.c_fc"))
    return graph.op("Add", x, _dense(graph, hidden, tensors, f"{name}.mlp.c_proj"))


def _parts_for_first(
    graph: Graph, groups: list[str], name: str, weight: Array, bias: Array
) -> tuple[Names, Names, Names]:
    """Keys and values of all tokens, but the query of the first alone."""
    width = len(bias) // 3
    first = graph.first_token(groups[0])
    query = graph.dense(f"{name}.q", first, weight[:width], bias[:width])
    pairs = (graph.dense(f"{name}.kv", group, weight[width:], bias[width:]) for group in groups)
    keys, values = zip(*(graph.split(pair, 2) for pair in pairs), strict=True)
    return (query,), keys, values


def _joined(graph: Graph, groups: Names) -> str:
    return groups[0] if len(groups) == 1 else graph.op("Concat", *groups, axis=1)


def _quick_gelu(graph: Graph, x: str) -> str:
    gate = graph.op("Sigmoid", graph.op("Mul", x, graph.number(1.702)))
    return graph.op("Mul", x, gate)


def _dense(graph: Graph, x: str, tensors: Tensors, name: str) -> str:
    return graph.dense(name, x, tensors(f"{name}.weight"), tensors(f"{name}.bias"))


def _norm(graph: Graph, x: str, tensors: Tensors, name: str) -> str:
    return graph.layer_norm(name, x, tensors(f"{name}.weight"), tensors(f"{name}.bias"), EPSILON)

"""The text tower, a BERT, as an ONNX graph of dynamic batch and length."""

from __future__ import annotations

import numpy as np

from immich_aio.engines.clip.architecture import CONTEXT, TextTransformer
from immich_aio.engines.clip.graph import Array, Graph, Tensors

EPSILON = 1e-12
PADDING = 0
"""The token that fills up short texts; no other token looks at it."""

_HIDDEN = -10000.0  # added to a score, it leaves nothing of it after the softmax


def text_transformer(graph: Graph, tokens: str, tensors: Tensors, of: TextTransformer) -> str:
    """From tokens (batch, length), int64, to the vector before it is scaled."""
    x = _embedded(graph, tokens, tensors)
    mask = _mask(graph, tokens)
    for layer in range(of.layers):
        x = _layer(graph, x, mask, tensors, of, layer)
    x = graph.op("Reshape", x, graph.ints(0, of.width))
    return graph.project("text_projection", x, tensors("text_projection"))


def _embedded(graph: Graph, tokens: str, tensors: Tensors) -> str:
    name = "bert.embeddings."
    # Looked up as float16 and widened after it, for few of the 21,128 rows are ever needed.
    table = graph.stored_half(f"{name}word", tensors(f"{name}word_embeddings.weight"))
    x = graph.to_stream(graph.op("Gather", table, tokens))
    positions = _rounded(tensors(f"{name}position_embeddings.weight")[:CONTEXT])
    positions = positions + _rounded(tensors(f"{name}token_type_embeddings.weight")[0])
    length = graph.op("Shape", tokens, start=1, end=2)
    positions_here = graph.op(
        "Slice", graph.constant(f"{name}position", positions), graph.ints(0), length, graph.ints(0)
    )
    return _norm(graph, graph.op("Add", x, positions_here), tensors, f"{name}LayerNorm")


def _mask(graph: Graph, tokens: str) -> str:
    """What is added to the scores: (batch, 1, 1, length)."""
    padding = graph.op("Equal", tokens, graph.ints(PADDING))
    hidden = graph.op("Mul", graph.to_stream(padding), graph.number(_HIDDEN))
    return graph.op("Unsqueeze", hidden, graph.ints(1, 2))


def _layer(
    graph: Graph, x: str, mask: str, tensors: Tensors, of: TextTransformer, number: int
) -> str:
    """One layer. Only the first token leaves the last one, so no other is computed."""
    name = f"bert.encoder.layer.{number}."
    last = number == of.layers - 1
    asking = graph.first_token(x) if last else x
    parts = _parts(graph, x, asking, tensors, f"{name}attention.", last=last)
    seen = graph.attention(parts, of.heads, of.width, mask)
    seen = _dense(graph, seen, tensors, f"{name}attention.output.dense")
    x = _norm(graph, graph.op("Add", seen, asking), tensors, f"{name}attention.output.LayerNorm")
    hidden = graph.op("Gelu", _dense(graph, x, tensors, f"{name}intermediate.dense"))
    hidden = _dense(graph, hidden, tensors, f"{name}output.dense")
    return _norm(graph, graph.op("Add", hidden, x), tensors, f"{name}output.LayerNorm")


def _parts(
    graph: Graph, x: str, asking: str, tensors: Tensors, name: str, *, last: bool
) -> tuple[str, str, str]:
    """Queries, keys and values, in one multiplication where all tokens ask."""

    def joined(*parts: str) -> tuple[Array, Array]:
        weights = [tensors(f"{name}self.{part}.weight") for part in parts]
        biases = [tensors(f"{name}self.{part}.bias") for part in parts]
        return np.concatenate(weights), np.concatenate(biases)

    if last:
        query = _dense(graph, asking, tensors, f"{name}self.query")
        key, value = graph.split(graph.dense(f"{name}kv", x, *joined("key", "value")), 2)
    else:
        together = graph.dense(f"{name}qkv", x, *joined("query", "key", "value"))
        query, key, value = graph.split(together, 3)
    return query, key, value


def _dense(graph: Graph, x: str, tensors: Tensors, name: str) -> str:
    return graph.dense(name, x, tensors(f"{name}.weight"), tensors(f"{name}.bias"))


def _norm(graph: Graph, x: str, tensors: Tensors, name: str) -> str:
    """cn_clip rounds these to float16 too, where it leaves those of the image tower alone."""
    weight, bias = (_rounded(tensors(f"{name}.{part}")) for part in ("weight", "bias"))
    return graph.layer_norm(name, x, weight, bias, EPSILON)


def _rounded(values: Array) -> Array:
    return values.astype(np.float16).astype(np.float32)

"""Building ONNX graphs: operators, the layers that both towers are made of, and their weights.

A graph refers to its weights in a file beside it (ONNX's external data), so graphs of several
precisions share one file. Matrix weights are stored as float16, for that is what cn_clip rounds
them to before it computes; everything else is float32.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from immich_aio.engines.runtimes import Precision
from immich_aio.engines.sessions import QUANTISED_BLOCK

Array = NDArray[Any]
Tensors = Callable[[str], NDArray[np.float32]]
"""A checkpoint's tensors by their names there."""

OPSET = 20
IR_VERSION = 10
_ALIGNMENT = 4096  # a page, so that a runtime can map a tensor rather than read it
_LARGE = 1024  # bytes; what is smaller stays in the graph
_TYPES = {"f32": TensorProto.FLOAT, "bf16": TensorProto.BFLOAT16, "f16": TensorProto.FLOAT16}


class Weights:
    """The file of a tower's weights; a tensor is written once, however many graphs name it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.BufferedWriter = path.open("wb")
        self._written: dict[str, TensorProto] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def tensor(self, name: str, values: Array) -> TensorProto:
        """What a graph says of a tensor that lies in the file."""
        if name not in self._written:
            self._written[name] = self._write(name, np.ascontiguousarray(values))
        return self._written[name]

    def _write(self, name: str, values: Array) -> TensorProto:
        if values.nbytes < _LARGE:
            return onnx.numpy_helper.from_array(values, name)
        self._file.write(bytes(-self._file.tell() % _ALIGNMENT))
        place = {"location": self._path.name, "offset": self._file.tell(), "length": values.nbytes}
        self._file.write(values.data)
        tensor = TensorProto(
            name=name,
            dims=values.shape,
            data_type=helper.np_dtype_to_tensor_dtype(values.dtype),
            data_location=TensorProto.EXTERNAL,
        )
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        return tensor


class Graph:
    """A graph under construction; every method adds nodes and gives the name of their output.

    ``precision`` is what matrices are multiplied in. All that lies between is float32, with f16
    float16: the stream.
    """

    def __init__(self, weights: Weights, precision: Precision) -> None:
        self._weights = weights
        self.precision = precision
        self._stream = TensorProto.FLOAT16 if precision == "f16" else TensorProto.FLOAT
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: dict[str, TensorProto] = {}

    # ---- Operators and constants

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:  # noqa: ANN401  # whatever ONNX has for this operator
        """One operator with one output."""
        return self._add(kind, inputs, 1, domain, attributes)[0]

    def split(self, x: str, parts: int) -> list[str]:
        """``x`` in equal parts along its last axis."""
        return self._add("Split", (x,), parts, "", {"axis": -1, "num_outputs": parts})

    def ints(self, *values: int) -> str:
        """A constant list of whole numbers."""
        name = f"ints_{'_'.join(map(str, values))}"
        self._tensors[name] = onnx.numpy_helper.from_array(np.array(values, np.int64), name)
        return name

    def number(self, value: float) -> str:
        """A constant number of the stream's type."""
        return self.constant(f"number_{value!r}", np.array(value, np.float32))

    def constant(self, name: str, values: Array) -> str:
        """A constant of the stream's type."""
        return self.cast(self._stored(name, values.astype(np.float32)), self._stream)

    def halved(self, name: str, values: Array) -> str:
        """A constant of the stream's type, stored as float16."""
        return self.cast(self.stored_half(name, values), self._stream)

    def stored_half(self, name: str, values: Array) -> str:
        """A constant that stays float16."""
        return self._stored(name, values.astype(np.float16))

    def cast(self, x: str, kind: int) -> str:
        """``x`` as another type."""
        return self.op("Cast", x, to=kind)

    def to_stream(self, x: str) -> str:
        """``x`` as the type that runs between the layers."""
        return self.cast(x, self._stream)

    # ---- Layers

    def dense(self, name: str, x: str, weight: Array, bias: Array | None = None) -> str:
        """``x · weightᵀ + bias``, multiplied in the graph's precision; weight (out, in)."""
        if self.precision == "int8":
            product = self._quantised_product(name, x, weight)
        else:
            kind = _TYPES[self.precision]
            stored = self.stored_half(f"{name}.weight", weight)
            turned = self.op("Transpose", self.cast(stored, kind), perm=[1, 0])
            product = self.to_stream(self.op("MatMul", self.cast(x, kind), turned))
        if bias is None:
            return product
        return self.op("Add", product, self.halved(f"{name}.bias", bias))

    def project(self, name: str, x: str, weight: Array) -> str:
        """The last matrix, weight (in, out): one row a vector, so always in the stream's type."""
        return self.op("MatMul", x, self.halved(name, weight))

    def layer_norm(self, name: str, x: str, weight: Array, bias: Array, epsilon: float) -> str:
        """Normalise over the last axis."""
        scale, shift = self.constant(f"{name}.weight", weight), self.constant(f"{name}.bias", bias)
        return self.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=epsilon)

    def attention(self, parts: tuple[str, str, str], heads: int, width: int, mask: str = "") -> str:
        """Attention of queries over keys and values, each (batch, tokens, width).

        ``mask`` is added to the scores before the softmax.
        """
        of_head = width // heads
        query, key, value = (
            self.op("Reshape", part, self.ints(0, -1, heads, of_head)) for part in parts
        )
        scores = self.op(
            "MatMul",
            self.op("Transpose", query, perm=[0, 2, 1, 3]),
            self.op("Transpose", key, perm=[0, 2, 3, 1]),
        )
        scores = self.op("Mul", scores, self.number(of_head**-0.5))
        if mask:
            scores = self.op("Add", scores, mask)
        weights = self.op("Softmax", scores, axis=-1)
        seen = self.op("MatMul", weights, self.op("Transpose", value, perm=[0, 2, 1, 3]))
        together = self.op("Transpose", seen, perm=[0, 2, 1, 3])
        return self.op("Reshape", together, self.ints(0, -1, width))

    def first_token(self, x: str) -> str:
        """The first token of each row: (batch, tokens, width) → (batch, 1, width)."""
        return self.op("Slice", x, self.ints(0), self.ints(1), self.ints(1))

    # ---- The end

    def finish(self, vector: str, given: onnx.ValueInfoProto, dimension: int) -> onnx.ModelProto:
        """The model that maps the input ``given`` to ``vector``, scaled to length 1, float32."""
        vector = self.cast(vector, TensorProto.FLOAT)
        length = self.op("ReduceL2", vector, self.ints(-1), keepdims=1)
        self._nodes.append(helper.make_node("Div", [vector, length], ["vector"]))
        taken = helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", dimension])
        graph = helper.make_graph(
            self._nodes, "tower", [given], [taken], initializer=list(self._tensors.values())
        )
        domains = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=domains, ir_version=IR_VERSION)

    def _stored(self, name: str, values: Array) -> str:
        self._tensors[name] = self._weights.tensor(name, values)
        return name

    def _quantised_product(self, name: str, x: str, weight: Array) -> str:
        """``MatMulNBits`` of ONNX Runtime, which OpenVINO reads as well: each block of a row has a
        scale, and the other factor is quantised in blocks while it runs.
        """
        rows, columns = weight.shape
        numbers, scales = quantised(weight)
        return self.op(
            "MatMulNBits",
            x,
            self._stored(f"{name}.weight", numbers),
            self._stored(f"{name}.scales", scales),
            domain="com.microsoft",
            K=columns,
            N=rows,
            bits=8,
            block_size=QUANTISED_BLOCK,
            accuracy_level=4,
        )

    def _add(
        self,
        kind: str,
        inputs: tuple[str, ...],
        outputs: int,
        domain: str,
        attributes: dict[str, Any],
    ) -> list[str]:
        names = [f"{kind}_{len(self._nodes)}_{index}" for index in range(outputs)]
        self._nodes.append(helper.make_node(kind, inputs, names, domain=domain, **attributes))
        return names


def quantised(weight: Array) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A matrix (out, in) as ``MatMulNBits`` wants it: bytes with zero at 128, and their scales.

    Bytes have the shape (out, blocks, QUANTISED_BLOCK), scales (out · blocks,).
    """
    rows, columns = weight.shape
    blocks = -(-columns // QUANTISED_BLOCK)
    padded = np.zeros((rows, blocks * QUANTISED_BLOCK), np.float32)
    padded[:, :columns] = weight
    padded = padded.reshape(rows, blocks, QUANTISED_BLOCK)
    scales = np.abs(padded).max(axis=2, keepdims=True) / 127
    scales[scales == 0] = 1
    return (np.rint(padded / scales) + 128).astype(np.uint8), scales.reshape(-1)

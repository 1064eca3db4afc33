"""Building ONNX graphs of convolutions with random weights, the same everywhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from bench.checkpoints import random_numbers

Dimensions = list[int | str]

OPSET = 11
IR_VERSION = 6
"""Those of InsightFace's own files."""


class Graph:
    """A graph under construction; every method adds nodes and gives the name of their output."""

    def __init__(self, name: str, *, seed: int = 0) -> None:
        self._name = name
        self._seed = seed
        self._nodes: list[NodeProto] = []
        self._tensors: dict[str, TensorProto] = {}

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401  # whatever ONNX has for this operator
        """One operator with one output."""
        output = f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, values: NDArray[Any]) -> str:
        """A tensor that is part of the file."""
        name = f"tensor_{len(self._tensors)}"
        self._tensors[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def numbers(self, *shape: int, middle: float = 0.0, spread: float = 1.0) -> NDArray[np.float32]:
        """Random numbers around ``middle``, others for every tensor."""
        values = random_numbers(f"{self._name}/{len(self._tensors)}", shape, self._seed)
        return values * np.float32(spread) + np.float32(middle)

    def random(self, *shape: int, middle: float = 0.0, spread: float = 1.0) -> str:
        """A tensor of such numbers."""
        return self.constant(self.numbers(*shape, middle=middle, spread=spread))

    def conv(
        self, x: str, channels: tuple[int, int], side: int, stride: int = 1, *, gain: float = 1.0
    ) -> str:
        """A convolution with a bias; what comes out has ``gain`` times the power.

        The frame of zeros is half as wide as an odd ``side``; an even one gets none.
        """
        before, after = channels
        fan_in = before * side * side
        weight = self.random(after, before, side, side, spread=math.sqrt(gain / fan_in))
        bias = self.random(after, spread=0.1)
        shape = {
            "kernel_shape": [side] * 2,
            "strides": [stride] * 2,
            "pads": [side // 2 * (side % 2)] * 4,
        }
        return self.op("Conv", x, weight, bias, **shape)

    def normalised(self, x: str, channels: int) -> str:
        """Batch normalisation that does little, as where all is trained."""
        scale, shift, mean = (self.random(channels, middle=m, spread=0.1) for m in (1, 0, 0))
        variance = self.random(channels, middle=1, spread=0.1)
        return self.op("BatchNormalization", x, scale, shift, mean, variance, epsilon=1e-5)

    def finish(self, given: Dimensions, taken: dict[str, Dimensions]) -> ModelProto:
        """The model from its one input, of shape ``given``, to outputs and their shapes."""
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, given)],
            [helper.make_tensor_value_info(*each) for each in _typed(taken)],
            initializer=list(self._tensors.values()),
        )
        domains = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=domains, ir_version=IR_VERSION)


def _typed(taken: dict[str, Dimensions]) -> list[tuple[str, int, Dimensions]]:
    return [(name, TensorProto.FLOAT, shape) for name, shape in taken.items()]

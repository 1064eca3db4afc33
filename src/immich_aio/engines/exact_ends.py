"""OpenVINO models whose last layers are computed in float32, whatever the rest is in.

A detector's last convolutions turn features into distances in pixels. In bf16 their weights and
what comes out have eight bits each, and a distance of a hundred pixels is off by half of one; these
layers are little work, so they can be exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from immich_aio.engines.runtimes import openvino_module

_HEAVY = frozenset({"Convolution", "GroupConvolution", "MatMul"})


@dataclass(frozen=True, slots=True)
class SplitModel:
    """Two OpenVINO models: the outputs of ``trunk`` are, in this order, the inputs of ``ends``."""

    trunk: Any
    ends: Any


def split_ends(model: Any) -> SplitModel:  # noqa: ANN401  # OpenVINO has no usable types
    """Cut a model before the last convolution on the way to each output; it is used up by that."""
    openvino = openvino_module()
    from openvino import opset13  # noqa: PLC0415  # heavy, and not everywhere

    parameters, features = [], []
    for consumer in _last_heavy(model):
        feature = consumer.get_source_output()
        if feature not in features:
            features.append(feature)
            parameters.append(
                opset13.parameter(feature.get_partial_shape(), feature.get_element_type())
            )
        consumer.replace_source_output(parameters[features.index(feature)].output(0))
    outputs = model.get_results()
    trunk = openvino.Model([opset13.result(each) for each in features], model.get_parameters())
    return SplitModel(trunk, openvino.Model(outputs, parameters))


def _last_heavy(model: Any) -> list[Any]:  # noqa: ANN401  # OpenVINO has no usable types
    """The inputs for features of the last layers that multiply, going back from each output."""
    found, seen, left = [], set(), list(model.get_results())
    while left:
        node = left.pop()
        name = node.get_friendly_name()
        if name in seen:
            continue
        seen.add(name)
        if node.get_type_name() in _HEAVY:
            found.append(node.input(0))
        else:
            left += [each.get_node() for each in node.input_values()]
    return found

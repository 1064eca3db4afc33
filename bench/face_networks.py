"""Networks with the signatures of InsightFace's, which react to the faces of ``face_samples``.

The detector has SCRFD's nine outputs over strides 8, 16 and 32 with two anchors a place, and reads
what to answer in the colours of a face's disc. The recogniser gives 512 numbers of an aligned face.
Both exist small, for tests, and with all the layers of SCRFD-10G and ArcFace R50 and random
weights, for benchmarks: the files are as large as those of buffalo_l to within 0.04 %.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from bench.face_samples import REACH, SIDE, TEMPLATE
from bench.onnx_graph import Dimensions, Graph

STRIDES = (8, 16, 32)
WIDTHS = (1, 4, 10)
"""Numbers an anchor has in each of the three kinds of output: score, box, landmarks."""

STEEPNESS, SURE_FROM = 40.0, 0.8
"""A disc's score is the sigmoid of STEEPNESS · (red - SURE_FROM), red in -1…1 …"""

BONUS = 1.0
"""… and this more for each larger stride, so that a disc that fills its place is found there."""

SECOND_ANCHOR = 0.9
"""The second anchor's box is so much smaller, and its score less."""

REAL_SHARE = 0.01
"""How much of the real heads' output is in that of a detector with all its layers."""


def write_pack(folder: Path, *, large: bool = False, seed: int = 0) -> tuple[Path, Path]:
    """Both networks in a folder, by the names that buffalo_l has for them."""
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / "det_10g.onnx", folder / "w600k_r50.onnx"
    networks = (scrfd_10g(), arcface_r50()) if large else (detector(), recogniser(seed=seed))
    for file, network in zip(files, networks, strict=True):
        onnx.save(network, file)
    return files


def detector(*, batched: bool = False) -> ModelProto:
    """The small detector; ``batched`` outputs have a first axis of 1, as some exports have."""
    graph = Graph("detector")
    heads = [_pattern(graph, level) for level in range(len(STRIDES))]
    return _finish_detector(graph, heads, batched=batched)


def recogniser(*, batch: int | str = "None", seed: int = 0) -> ModelProto:
    """The small recogniser; ``batch`` is the first axis of its input, free where it is a name."""
    graph = Graph("recogniser", seed=seed)
    channels, places, margin = 8, SIDE // 8, 4
    seen = graph.op("Relu", graph.conv("input.1", (3, channels), 8, 8))
    weight = graph.numbers(channels, places, places, 512, spread=(channels * places**2) ** -0.5)
    weight[:, margin:-margin, margin:-margin] = 0  # the disc says nothing of the identity
    vector = graph.op(
        "MatMul", graph.op("Flatten", seen, axis=1), graph.constant(weight.reshape(-1, 512))
    )
    return graph.finish([batch, 3, SIDE, SIDE], {vector: [1, 512]})


# ---- With all their layers


def scrfd_10g() -> ModelProto:
    """SCRFD-10G: ResNet with a deep stem, path aggregation, three convolutions a head."""
    graph = Graph("scrfd_10g")
    levels = _aggregated(graph, _backbone(graph))
    heads = []
    for level, x in enumerate(levels):
        channels = 56
        for _ in range(3):
            x = graph.op("Relu", graph.conv(x, (channels, 80), 3, gain=2))  # noqa: PLW2901  # layer by layer
            channels = 80
        share = graph.constant(np.float32(REAL_SHARE))
        real = [graph.conv(x, (80, 2 * width), 3) for width in WIDTHS]
        shares = [graph.op("Mul", each, share) for each in real]
        pairs = zip(_pattern(graph, level), shares, strict=True)
        heads.append([graph.op("Add", *pair) for pair in pairs])
    return _finish_detector(graph, heads)


def arcface_r50() -> ModelProto:
    """ArcFace's ResNet-50 of 112 × 112, 3, 4, 14 and 3 blocks."""
    graph = Graph("arcface_r50")
    x = graph.op("PRelu", graph.conv("input.1", (3, 64), 3), graph.random(64, 1, 1, middle=0.25))
    channels = 64
    for wider, blocks in zip((64, 128, 256, 512), (3, 4, 14, 3), strict=True):
        for block in range(blocks):
            stride = 1 if block else 2
            inner = graph.conv(graph.normalised(x, channels), (channels, wider), 3, gain=2)
            slope = graph.random(wider, 1, 1, middle=0.25, spread=0.05)
            inner = graph.conv(graph.op("PRelu", inner, slope), (wider, wider), 3, stride, gain=0.2)
            beside = x if block else graph.conv(x, (channels, wider), 1, stride)
            x, channels = graph.op("Add", inner, beside), wider
    flat = graph.op("Flatten", graph.normalised(x, channels), axis=1)
    weight = graph.random(512, 25_088, spread=25_088**-0.5)
    vector = graph.op("Gemm", flat, weight, graph.random(512, spread=0.1), transB=1)
    return graph.finish(["None", 3, SIDE, SIDE], {graph.normalised(vector, 512): [1, 512]})


def _backbone(graph: Graph) -> list[str]:
    """Features at strides 8, 16 and 32, of 88, 88 and 224 channels."""
    x = "input.1"
    for channels, stride in (((3, 28), 2), ((28, 28), 1), ((28, 56), 1)):
        x = graph.op("Relu", graph.conv(x, channels, 3, stride, gain=2))
    x = graph.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels, features = 56, []
    for wider, blocks in zip((56, 88, 88, 224), (3, 4, 2, 3), strict=True):
        for block in range(blocks):
            narrows = bool(features) and not block
            inner = graph.conv(x, (channels, wider), 3, 2 if narrows else 1, gain=2)
            inner = graph.conv(graph.op("Relu", inner), (wider, wider), 3, gain=0.2)
            if narrows:
                x = graph.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
                x = graph.conv(x, (channels, wider), 1)
            x, channels = graph.op("Relu", graph.op("Add", inner, x)), wider
        features.append(x)
    return features[1:]


def _aggregated(graph: Graph, features: list[str]) -> list[str]:
    """The three levels after a way down and a way up between them, of 56 channels."""
    channels = (88, 88, 224)
    levels = [graph.conv(x, (n, 56), 1) for x, n in zip(features, channels, strict=True)]
    for level in (2, 1):
        nothing = graph.constant(np.zeros(0, np.float32))
        twice = graph.constant(np.array([1, 1, 2, 2], np.float32))
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
        larger = graph.op("Resize", levels[level], nothing, twice, nearest_mode="floor", **how)
        levels[level - 1] = graph.op("Add", levels[level - 1], larger)
    levels = [graph.conv(x, (56, 56), 3) for x in levels]
    for level in (0, 1):
        smaller = graph.conv(levels[level], (56, 56), 3, 2)
        levels[level + 1] = graph.op("Add", levels[level + 1], smaller)
    return [levels[0], *(graph.conv(x, (56, 56), 3) for x in levels[1:])]


# ---- What discs say


@dataclass(slots=True)
class _Answer:
    """A 1 × 1 convolution of the mean colour at a place: rows of weights, and their biases."""

    weights: list[tuple[float, float, float]] = field(default_factory=list)
    biases: list[float] = field(default_factory=list)

    def add(self, red: float = 0, green: float = 0, blue: float = 0, bias: float = 0) -> None:
        self.weights.append((red, green, blue))
        self.biases.append(bias)

    def arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        weights = np.array(self.weights, np.float32)[..., None, None]
        return weights, np.array(self.biases, np.float32)


def _pattern(graph: Graph, level: int) -> list[str]:
    """Scores before the sigmoid, boxes and landmarks at one stride, from the mean colours.

    Distances are from the place's corner in units of the stride, as SCRFD gives them; the middle of
    what it has seen is half a stride (less half a pixel) further.
    """
    stride = STRIDES[level]
    colour = graph.op("AveragePool", "input.1", kernel_shape=[stride] * 2, strides=[stride] * 2)
    middle = (stride - 1) / 2 / stride
    scores, boxes, points = _Answer(), _Answer(), _Answer()
    template = (TEMPLATE - (SIDE - 1) / 2) / (SIDE / 2)
    for anchor, size in enumerate((1.0, SECOND_ANCHOR)):
        reach = REACH / stride * size
        scores.add(red=STEEPNESS, bias=BONUS * level - STEEPNESS * SURE_FROM - anchor)
        for part, sign in ((0.8, -1), (1.0, -1), (0.8, 1), (1.0, 1)):
            boxes.add(green=part * reach, bias=sign * middle)
        for x, y in template:
            points.add(green=x * REACH / stride, blue=-y * REACH / stride, bias=middle)
            points.add(green=y * REACH / stride, blue=x * REACH / stride, bias=middle)
    return [
        graph.op("Conv", colour, *map(graph.constant, a.arrays())) for a in (scores, boxes, points)
    ]


def _finish_detector(graph: Graph, heads: list[list[str]], *, batched: bool = False) -> ModelProto:
    """Rows of anchors, scores first, in SCRFD's order of outputs."""
    taken: dict[str, Dimensions] = {}
    for kind, width in enumerate(WIDTHS):
        for level, stride in enumerate(STRIDES):
            x = graph.op(
                "Transpose", heads[level][kind], perm=[0, 2, 3, 1] if batched else [2, 3, 0, 1]
            )
            shape = [1, -1, width] if batched else [-1, width]
            x = graph.op("Reshape", x, graph.constant(np.array(shape, np.int64)))
            x = graph.op("Sigmoid", x) if kind == 0 else x
            count = (640 // stride) ** 2 * 2
            taken[x] = [1, count, width] if batched else [count, width]
    return graph.finish([1, 3, "?", "?"], taken)

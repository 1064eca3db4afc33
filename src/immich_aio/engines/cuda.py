"""Whether an NVIDIA GPU can be computed on: tried, for nothing short of that tells.

ONNX Runtime offers its CUDA provider wherever it was built with it. Where a library, the driver or
the GPU is then missing it takes the CPU without an error, and in float16 that is slower than slow.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import os
from pathlib import Path

import numpy as np

PROVIDER = "CUDAExecutionProvider"
OPTIONS = {
    # EXHAUSTIVE, the default, tries out every algorithm anew for every input shape.
    "cudnn_conv_algo_search": "HEURISTIC",
    # By default each extension doubles what was there.
    "arena_extend_strategy": "kSameAsRequested",
}
WORKERS = 4
"""So many at most work side by side: a GPU does each one's work in turn, but has memory taken for
all of them (with sixteen reading text, and the other models loaded, 9.6 GB of an H100's)."""


def is_gpu_present() -> bool:
    """Whether NVIDIA's driver shows a device here. (Windows tells only when it is used.)"""
    return Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists() or os.name == "nt"


def has_cuda_build() -> bool:
    """Whether the ONNX Runtime that is installed, if one is, was built for CUDA."""
    if importlib.util.find_spec("onnxruntime") is None:
        return False
    import onnxruntime  # noqa: PLC0415  # only asked where it is installed

    return PROVIDER in onnxruntime.get_available_providers()


@functools.cache
def cuda_fault() -> str | None:
    """Why nothing can be computed on an NVIDIA GPU here; None where something was."""
    if not is_gpu_present():
        return "there is no NVIDIA GPU here, or not its driver"
    if not has_cuda_build():
        return "the installed ONNX Runtime is not the one for CUDA"
    return _missing_library() or _fault_of_a_convolution()


def _missing_library() -> str | None:
    """Load CUDA and cuDNN from NVIDIA's wheels, or from where the system has them."""
    import onnxruntime  # noqa: PLC0415  # as above

    said = io.StringIO()  # it prints what it misses
    with contextlib.redirect_stdout(said):
        onnxruntime.preload_dlls()
    first = said.getvalue().strip().partition("\n")[0]
    return f"a library of CUDA is missing ({first})" if first else None


def _fault_of_a_convolution() -> str | None:
    """What prevents one, for which the driver, cuBLAS and cuDNN are all needed."""
    import onnxruntime  # noqa: PLC0415  # as above

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(_convolution(), options, providers=[PROVIDER])
        if PROVIDER not in session.get_providers():
            return "ONNX Runtime could not start on it, for what its own message says"
        session.run(None, {"x": np.ones((1, 1, 8, 8), np.float32)})
    except Exception as error:  # noqa: BLE001  # ONNX Runtime has its own zoo of them
        return " ".join(str(error).split())[:300]
    return None


def _convolution() -> bytes:
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415  # absent in a gateway

    shape = (1, 1, 8, 8)
    weight = numpy_helper.from_array(np.ones((1, 1, 3, 3), np.float32), "weight")
    node = helper.make_node("Conv", ["x", "weight"], ["y"], pads=[1, 1, 1, 1])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y"))
    graph = helper.make_graph([node], "convolution", [x], [y], initializer=[weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())

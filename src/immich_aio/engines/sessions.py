"""Model sessions on ONNX Runtime or OpenVINO: which one, at what precision, with how many threads.

A ``Model`` is loaded once and shared; every worker thread has a ``Session`` of its own over it,
which runs on one core: two cores on one inference do less than one each, and no scratch memory is
ever shared.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from immich_aio.engines.cores import cpu_flags, cpu_vendor
from immich_aio.errors import UnavailableError

Runtime = Literal["auto", "openvino", "onnxruntime"]
Device = Literal["auto", "cpu", "cuda"]
Tensor = NDArray[np.float32]


class Session(Protocol):
    """One worker's way into a model; not for two threads at once."""

    def run(self, batch: Tensor) -> Tensor:
        """The model's first output. It is valid until the next call of the same session."""
        ...


class Model(Protocol):
    """Loaded weights, shared by all sessions."""

    def session(self) -> Session:
        """A session for one worker."""
        ...

    def metadata(self, key: str) -> str:
        """A text stored in the model file; KeyError where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """What runs the models, and why; ``workers`` sessions run side by side."""

    runtime: Literal["openvino", "onnxruntime"]
    device: Literal["cpu", "cuda"]
    precision: Literal["f32", "bf16"]
    workers: int
    reason: str

    @property
    def description(self) -> str:
        """For people: runtime, precision and device."""
        name = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}[self.runtime]
        return f"{name} {self.precision} on {self.device.upper()}"


def choose(runtime: Runtime, device: Device, workers: int) -> Choice:
    """What to run on. Raises UnavailableError where what is forced is not installed here."""
    if device == "cuda" or (device == "auto" and runtime != "openvino" and has_cuda()):
        return _cuda_choice(runtime, workers)
    if runtime == "openvino":
        _require("openvino", "pip install 'immich-aio[openvino]'")
        return Choice("openvino", "cpu", _openvino_precision(), workers, "forced by OCR_RUNTIME")
    if runtime == "onnxruntime" or not _installed("openvino"):
        _require("onnxruntime", "pip install 'immich-aio[cpu]'")
        why = "forced by OCR_RUNTIME" if runtime == "onnxruntime" else "OpenVINO is not installed"
        return Choice("onnxruntime", "cpu", "f32", workers, why)
    return _automatic(workers)


def _automatic(workers: int) -> Choice:
    precision = _openvino_precision()
    if precision == "bf16":
        unit = "AMX" if "amx_bf16" in cpu_flags() else "AVX-512 BF16"
        return Choice("openvino", "cpu", "bf16", workers, f"this CPU multiplies bf16 ({unit})")
    if cpu_vendor() == "GenuineIntel":
        return Choice("openvino", "cpu", "f32", workers, "an Intel CPU without bf16 units")
    if _installed("onnxruntime"):
        return Choice("onnxruntime", "cpu", "f32", workers, "not an Intel CPU, no bf16 units")
    return Choice("openvino", "cpu", "f32", workers, "ONNX Runtime is not installed")


def _cuda_choice(runtime: Runtime, workers: int) -> Choice:
    if not has_cuda():
        raise UnavailableError(
            "DEVICE=cuda, but ONNX Runtime sees no CUDA here; install 'immich-aio[cuda]' and the "
            "NVIDIA driver, or set DEVICE=cpu."
        )
    if runtime == "openvino":
        raise UnavailableError("OpenVINO does not run on CUDA; set OCR_RUNTIME=auto or DEVICE=cpu.")
    return Choice("onnxruntime", "cuda", "f32", workers, "an NVIDIA GPU is present")


def load(path: Path, choice: Choice) -> Model:
    """Load an ONNX file on what was chosen."""
    loaders: dict[str, Callable[[Path, Choice], Model]] = {
        "openvino": OpenVinoModel,
        "onnxruntime": OnnxRuntimeModel,
    }
    return loaders[choice.runtime](path, choice)


class OpenVinoModel:
    """A compiled OpenVINO model with one stream for each worker."""

    def __init__(self, path: Path, choice: Choice) -> None:
        openvino = _openvino()
        _initialise_bindings()
        model = openvino.Core().read_model(path)
        info = model.get_rt_info()
        # Not a dict: it has no get.
        self._info: Any = info["framework"] if "framework" in info else {}  # noqa: SIM401
        # Default pinning puts the streams of two processes on one core; threads of one process
        # share their weights, so a stream each is all that is needed.
        self._compiled = openvino.Core().compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": choice.precision,
                "NUM_STREAMS": choice.workers,
                "INFERENCE_NUM_THREADS": choice.workers,
                "ENABLE_CPU_PINNING": False,
            },
        )

    def session(self) -> Session:
        """A session over one inference request."""
        return _OpenVinoSession(self._compiled.create_infer_request())

    def metadata(self, key: str) -> str:
        """A text of the model file."""
        return str(self._info[key].value)


def _openvino() -> Any:  # noqa: ANN401  # OpenVINO has no usable types
    """OpenVINO, heavy and not everywhere, without its telemetry.

    On import it would report to its makers from a forked process, and a product that works offline
    reports to nobody. Where the telemetry package cannot be imported, OpenVINO uses a stub.
    """
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # how Python bars it
    return importlib.import_module("openvino")


def _initialise_bindings() -> None:
    """Make OpenVINO's Python bindings set up their table of NumPy types, on this one thread.

    They do it on the first inference, behind a C++ guard that is held while the interpreter lock
    is let go: two threads whose first inferences coincide wait for each other for ever (seen with
    OpenVINO 2026.4.1).
    """
    openvino = _openvino()
    openvino.Tensor(np.zeros((1,), np.float32), shared_memory=False).get_element_type().to_dtype()


class _OpenVinoSession:
    def __init__(self, request: Any) -> None:  # noqa: ANN401  # OpenVINO has no usable types
        self._request = request

    def run(self, batch: Tensor) -> Tensor:
        self._request.infer([batch], share_inputs=True, share_outputs=True)
        output: Tensor = self._request.get_output_tensor(0).data
        return output


class OnnxRuntimeModel:
    """An ONNX Runtime session; its ``run`` may be called from several threads at once."""

    def __init__(self, path: Path, choice: Choice) -> None:
        import onnxruntime  # noqa: PLC0415  # heavy, and absent in a gateway

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # The arena keeps the largest block of every shape it has met, and never gives one back.
        options.enable_cpu_mem_arena = False
        providers: list[Any] = ["CPUExecutionProvider"]
        if choice.device == "cuda":
            # EXHAUSTIVE, the default, searches anew for every input shape.
            providers.insert(0, ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"}))
        self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        self._input = self._session.get_inputs()[0].name

    def session(self) -> Session:
        """A session; the workers share the underlying one, which allows it."""
        return _OnnxRuntimeSession(self._session, self._input)

    def metadata(self, key: str) -> str:
        """A text of the model file."""
        texts: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return texts[key]


class _OnnxRuntimeSession:
    def __init__(self, session: Any, name: str) -> None:  # noqa: ANN401  # no types published
        self._session = session
        self._name = name

    def run(self, batch: Tensor) -> Tensor:
        output: Tensor = self._session.run(None, {self._name: batch})[0]
        return output


def has_cuda() -> bool:
    """Whether ONNX Runtime is here and offers its CUDA provider, and a device file is present."""
    if not _installed("onnxruntime") or not _nvidia_device_present():
        return False
    import onnxruntime  # noqa: PLC0415  # only asked where it is installed

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def _nvidia_device_present() -> bool:
    return Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists() or os.name == "nt"


def _openvino_precision() -> Literal["f32", "bf16"]:
    openvino = _openvino()
    abilities: list[str] = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    # OpenVINO also lists BF16 where it only emulates it; the CPU must have units for it.
    native = cpu_flags() & {"amx_bf16", "avx512_bf16"}
    return "bf16" if "BF16" in abilities and native else "f32"


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _require(module: str, remedy: str) -> None:
    if not _installed(module):
        raise UnavailableError(f"{module} is not installed here; run {remedy}.")

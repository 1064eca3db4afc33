"""What the models run on: runtime, precision, device and threads; chosen, or set."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import dataclass, replace
from typing import Any, Literal

from immich_aio.engines.cores import cpu_flags, cpu_vendor
from immich_aio.engines.cuda import WORKERS, cuda_fault, has_cuda_build, is_gpu_present
from immich_aio.errors import UnavailableError

Runtime = Literal["auto", "openvino", "onnxruntime"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["f32", "bf16", "f16", "int8"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What runs the models, and why.

    ``workers`` sessions run side by side, each on ``threads`` cores.
    """

    runtime: Literal["openvino", "onnxruntime"]
    device: Literal["cpu", "cuda"]
    precision: Precision
    workers: int
    reason: str
    threads: int = 1

    @property
    def description(self) -> str:
        """For people: runtime, precision and device."""
        name = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}[self.runtime]
        return f"{name} {self.precision} on {self.device.upper()}"


def choose(
    runtime: Runtime, device: Device, workers: int, *, setting: str = "OCR_RUNTIME"
) -> Choice:
    """What to run on; ``setting`` is where ``runtime`` comes from.

    Raises UnavailableError where what is asked for is not installed here.
    """
    if device == "cuda":
        return _cuda_choice(runtime, workers, setting)
    if device == "cpu" or runtime == "openvino":
        return _cpu_choice(runtime, workers, setting)
    fault = cuda_fault()
    if fault is None:
        return _cuda_choice(runtime, workers, setting)
    choice = _cpu_choice(runtime, workers, setting)
    if is_gpu_present() and has_cuda_build():
        return replace(choice, reason=f"{choice.reason}; the GPU cannot be used: {fault}")
    return choice


def _cpu_choice(runtime: Runtime, workers: int, setting: str) -> Choice:
    forced = f"forced by {setting}"
    if runtime == "openvino":
        _require("openvino", "pip install 'immich-aio[openvino]'")
        return Choice("openvino", "cpu", openvino_precision(), workers, forced)
    if runtime == "onnxruntime" or not is_installed("openvino"):
        _require("onnxruntime", "pip install 'immich-aio[cpu]'")
        why = forced if runtime == "onnxruntime" else "OpenVINO is not installed"
        return Choice("onnxruntime", "cpu", "f32", workers, why)
    return _automatic(workers)


def _automatic(workers: int) -> Choice:
    precision = openvino_precision()
    if precision == "bf16":
        unit = "AMX" if "amx_bf16" in cpu_flags() else "AVX-512 BF16"
        return Choice("openvino", "cpu", "bf16", workers, f"this CPU multiplies bf16 ({unit})")
    if cpu_vendor() == "GenuineIntel":
        return Choice("openvino", "cpu", "f32", workers, "an Intel CPU without bf16 units")
    if is_installed("onnxruntime"):
        return Choice("onnxruntime", "cpu", "f32", workers, "not an Intel CPU, no bf16 units")
    return Choice("openvino", "cpu", "f32", workers, "ONNX Runtime is not installed")


def _cuda_choice(runtime: Runtime, workers: int, setting: str) -> Choice:
    if runtime == "openvino":
        raise UnavailableError(f"OpenVINO does not run on CUDA; set {setting}=auto or DEVICE=cpu.")
    fault = cuda_fault()
    if fault is not None:
        raise UnavailableError(
            f"DEVICE=cuda, but {fault}; install 'immich-aio[cuda]' and an NVIDIA driver for CUDA "
            "13 (580 or later), or set DEVICE=cpu."
        )
    few = min(workers, WORKERS)
    return Choice("onnxruntime", "cuda", "f32", few, "an NVIDIA GPU is present")


def openvino_precision() -> Literal["f32", "bf16"]:
    """The fastest precision that the CPU has units for."""
    openvino = openvino_module()
    abilities: list[str] = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    # OpenVINO also lists BF16 where it only emulates it; the CPU must have units for it.
    native = cpu_flags() & {"amx_bf16", "avx512_bf16"}
    return "bf16" if "BF16" in abilities and native else "f32"


def is_installed(module: str) -> bool:
    """Whether a module can be imported; it is not imported to find out."""
    return importlib.util.find_spec(module) is not None


def _require(module: str, remedy: str) -> None:
    if not is_installed(module):
        raise UnavailableError(f"{module} is not installed here; run {remedy}.")


def openvino_module() -> Any:  # noqa: ANN401  # OpenVINO has no usable types
    """OpenVINO, heavy and not everywhere, without its telemetry.

    On import it would report to its makers from a forked process, and a product that works offline
    reports to nobody. Where the telemetry package cannot be imported, OpenVINO uses a stub.
    """
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # how Python bars it
    return importlib.import_module("openvino")

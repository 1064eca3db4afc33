"""What CLIP runs on: the machine's best, or what was asked for, or a refusal that says why."""

from __future__ import annotations

import pytest

from immich_aio.engines import runtimes
from immich_aio.engines.clip import choice as clip
from immich_aio.engines.clip.choice import clip_choice
from immich_aio.engines.runtimes import Precision, Runtime
from immich_aio.errors import UnavailableError


class Machine:
    """A machine as the choice sees it; change it before choosing."""

    flags: frozenset[str] = frozenset()
    vendor = "GenuineIntel"
    installed: frozenset[str] = frozenset({"openvino", "onnxruntime"})
    gpu = False


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """An Intel machine without bf16 and without a GPU."""
    found = Machine()
    monkeypatch.setattr(runtimes, "cpu_flags", lambda: found.flags)
    monkeypatch.setattr(runtimes, "cpu_vendor", lambda: found.vendor)
    monkeypatch.setattr(runtimes, "cuda_fault", lambda: None if found.gpu else "there is none")
    for module in (runtimes, clip):
        monkeypatch.setattr(module, "is_installed", lambda name: name in found.installed)
        monkeypatch.setattr(
            module, "openvino_precision", lambda: "bf16" if "amx_bf16" in found.flags else "f32"
        )
    return found


def chosen(runtime: Runtime = "auto", precision: Precision | None = None) -> str:
    return clip_choice(runtime, "auto", precision or "auto", 4).description


def test_one_session_has_all_cores() -> None:
    choice = clip_choice("auto", "cpu", "auto", 4)
    assert (choice.workers, choice.threads) == (1, 4)


def test_units_for_bf16_mean_openvino_in_bf16(machine: Machine) -> None:
    machine.flags = frozenset({"amx_bf16"})
    assert chosen() == "OpenVINO bf16 on CPU"
    assert chosen(precision="int8") == "OpenVINO int8 on CPU"
    assert chosen(precision="f32") == "OpenVINO f32 on CPU"


def test_without_them_onnx_runtime_takes_half_the_memory(machine: Machine) -> None:
    assert chosen() == "ONNX Runtime f32 on CPU"
    machine.installed = frozenset({"openvino"})
    assert chosen() == "OpenVINO f32 on CPU"


def test_what_is_forced_is_obeyed(machine: Machine) -> None:
    assert chosen("openvino") == "OpenVINO f32 on CPU"
    assert chosen("onnxruntime", "int8") == "ONNX Runtime int8 on CPU"
    machine.flags = frozenset({"amx_bf16"})
    assert chosen("openvino", "bf16") == "OpenVINO bf16 on CPU"


def test_a_gpu_computes_in_float16(machine: Machine) -> None:
    machine.gpu = True
    assert chosen() == "ONNX Runtime f16 on CUDA"
    assert chosen(precision="f32") == "ONNX Runtime f32 on CUDA"


@pytest.mark.parametrize(
    ("runtime", "precision", "gpu", "why"),
    [
        ("onnxruntime", "bf16", False, "only OpenVINO"),
        ("openvino", "bf16", False, "no units for it"),
        ("auto", "f16", False, "only an NVIDIA GPU"),
        ("auto", "int8", True, "f16 and f32"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_remedy(
    machine: Machine, runtime: Runtime, precision: Precision, *, gpu: bool, why: str
) -> None:
    machine.gpu = gpu
    with pytest.raises(UnavailableError, match=f"{why}.*set CLIP_PRECISION=auto"):
        chosen(runtime, precision)

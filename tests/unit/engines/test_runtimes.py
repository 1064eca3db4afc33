"""What the models run on is chosen by the machine, or as the settings force it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from immich_aio.engines import runtimes
from immich_aio.engines.runtimes import Choice, choose
from immich_aio.errors import UnavailableError


@dataclass
class Machine:
    """A machine as the choice sees it; change it before choosing."""

    flags: frozenset[str] = frozenset()
    vendor: str = "AuthenticAMD"
    installed: frozenset[str] = frozenset({"openvino", "onnxruntime"})
    abilities: tuple[str, ...] = ("FP32", "INT8", "BF16")
    gpu: bool = False
    cuda_build: bool = False
    fault: str | None = "there is no NVIDIA GPU here"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """An AMD machine without bf16 and without a GPU."""
    found = Machine()

    class Core:
        def get_property(self, device: str, name: str) -> list[str]:
            assert (device, name) == ("CPU", "OPTIMIZATION_CAPABILITIES")
            return list(found.abilities)

    monkeypatch.setattr("openvino.Core", Core)
    monkeypatch.setattr(runtimes, "cpu_flags", lambda: found.flags)
    monkeypatch.setattr(runtimes, "cpu_vendor", lambda: found.vendor)
    monkeypatch.setattr(runtimes, "is_installed", lambda module: module in found.installed)
    monkeypatch.setattr(runtimes, "is_gpu_present", lambda: found.gpu)
    monkeypatch.setattr(runtimes, "has_cuda_build", lambda: found.cuda_build)
    monkeypatch.setattr(runtimes, "cuda_fault", lambda: found.fault)
    return found


def kind(choice: Choice) -> tuple[str, str, str]:
    return choice.runtime, choice.precision, choice.device


@pytest.mark.parametrize("flag", ["amx_bf16", "avx512_bf16"])
@pytest.mark.parametrize("vendor", ["GenuineIntel", "AuthenticAMD"])
def test_units_for_bf16_mean_openvino_in_bf16(machine: Machine, flag: str, vendor: str) -> None:
    machine.flags, machine.vendor = frozenset({"fpu", flag}), vendor
    choice = choose("auto", "auto", 3)
    assert kind(choice) == ("openvino", "bf16", "cpu")
    assert choice.workers == 3
    assert choice.description == "OpenVINO bf16 on CPU"
    assert {"amx_bf16": "AMX", "avx512_bf16": "AVX-512 BF16"}[flag] in choice.reason


def test_bf16_that_openvino_only_emulates_is_not_used(machine: Machine) -> None:
    machine.flags = frozenset({"avx512f"})
    assert kind(choose("openvino", "cpu", 1)) == ("openvino", "f32", "cpu")


def test_bf16_that_openvino_does_not_know_of_is_not_used(machine: Machine) -> None:
    machine.flags, machine.abilities = frozenset({"avx512_bf16"}), ("FP32",)
    assert kind(choose("auto", "auto", 1)) == ("onnxruntime", "f32", "cpu")


def test_an_intel_cpu_without_bf16_means_openvino_in_f32(machine: Machine) -> None:
    machine.vendor = "GenuineIntel"
    assert kind(choose("auto", "auto", 1)) == ("openvino", "f32", "cpu")


@pytest.mark.parametrize("vendor", ["AuthenticAMD", ""])
def test_any_other_cpu_means_onnx_runtime(machine: Machine, vendor: str) -> None:
    machine.vendor = vendor
    choice = choose("auto", "auto", 1)
    assert kind(choice) == ("onnxruntime", "f32", "cpu")
    assert choice.description == "ONNX Runtime f32 on CPU"


def test_what_alone_is_installed_is_used(machine: Machine) -> None:
    machine.installed = frozenset({"openvino"})
    assert choose("auto", "auto", 1).runtime == "openvino"
    machine.installed = frozenset({"onnxruntime"})
    machine.flags, machine.vendor = frozenset({"amx_bf16"}), "GenuineIntel"
    choice = choose("auto", "auto", 1)
    assert choice.runtime == "onnxruntime"
    assert "OpenVINO is not installed" in choice.reason


def test_a_forced_runtime_is_obeyed_whatever_the_cpu(machine: Machine) -> None:
    assert kind(choose("openvino", "auto", 1)) == ("openvino", "f32", "cpu")
    machine.flags = frozenset({"amx_bf16"})
    assert kind(choose("onnxruntime", "auto", 1)) == ("onnxruntime", "f32", "cpu")
    assert kind(choose("openvino", "auto", 1)) == ("openvino", "bf16", "cpu")


@pytest.mark.parametrize(
    ("runtime", "installed", "remedy"),
    [
        ("openvino", frozenset({"onnxruntime"}), r"pip install 'immich-aio\[openvino\]'"),
        ("onnxruntime", frozenset({"openvino"}), r"pip install 'immich-aio\[cpu\]'"),
        ("auto", frozenset(), r"pip install 'immich-aio\[cpu\]'"),
    ],
)
def test_a_runtime_that_is_not_installed_is_refused_with_the_remedy(
    machine: Machine, runtime: runtimes.Runtime, installed: frozenset[str], remedy: str
) -> None:
    machine.installed = installed
    with pytest.raises(UnavailableError, match=remedy):
        choose(runtime, "auto", 1)


@pytest.mark.parametrize("runtime", ["auto", "onnxruntime"])
def test_cuda_that_is_absent_is_refused_with_the_reason_and_both_remedies(
    machine: Machine, runtime: runtimes.Runtime
) -> None:
    machine.gpu, machine.fault = True, "libcudnn.so.9 is missing"
    told = r"libcudnn\.so\.9 is missing; .*'immich-aio\[cuda\]'.*or set DEVICE=cpu"
    with pytest.raises(UnavailableError, match=told):
        choose(runtime, "cuda", 1)


def test_a_gpu_that_cannot_be_used_is_told_of_and_the_cpu_does_the_work(machine: Machine) -> None:
    machine.gpu = machine.cuda_build = True
    machine.fault = "libcudnn.so.9 is missing"
    choice = choose("auto", "auto", 1)
    assert choice.device == "cpu"
    assert "the GPU cannot be used: libcudnn.so.9 is missing" in choice.reason


def test_a_gpu_is_not_missed_where_all_is_for_the_cpu(machine: Machine) -> None:
    machine.gpu = True
    assert "GPU" not in choose("auto", "auto", 1).reason


def with_cuda(machine: Machine) -> None:
    machine.gpu = machine.cuda_build = True
    machine.fault = None


def test_a_gpu_is_used_where_nothing_else_is_asked_for(machine: Machine) -> None:
    with_cuda(machine)
    machine.flags = frozenset({"amx_bf16"})
    for runtime, device in (("auto", "auto"), ("onnxruntime", "auto"), ("auto", "cuda")):
        choice = choose(runtime, device, 1)  # type: ignore[arg-type]  # a tuple loses literals
        assert choice.description == "ONNX Runtime f32 on CUDA"


def test_few_share_a_gpu_however_many_cores_there_are(machine: Machine) -> None:
    with_cuda(machine)
    assert choose("auto", "auto", 1).workers == 1
    assert choose("auto", "auto", 16).workers == 4
    assert choose("auto", "cpu", 16).workers == 16


def test_a_gpu_is_left_alone_where_the_cpu_or_openvino_is_asked_for(machine: Machine) -> None:
    with_cuda(machine)
    assert choose("auto", "cpu", 1).device == "cpu"
    assert choose("openvino", "auto", 1).device == "cpu"
    with pytest.raises(UnavailableError, match="OpenVINO does not run on CUDA"):
        choose("openvino", "cuda", 1)

"""A GPU that cannot be used is found out, and never answered for by the CPU in silence."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator

import pytest

from immich_aio.engines import cuda
from immich_aio.engines.cuda import cuda_fault, has_cuda_build
from immich_aio.engines.ocr.models import CLASSIFIER, model_folder
from immich_aio.engines.runtimes import choose
from immich_aio.engines.sessions import load
from immich_aio.errors import UnavailableError


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What was found out is remembered for good; not so from one test to the next."""
    cuda_fault.cache_clear()
    yield
    cuda_fault.cache_clear()


def test_without_a_gpu_that_is_the_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "is_gpu_present", lambda: False)
    assert "no NVIDIA GPU" in str(cuda_fault())


def test_with_a_gpu_and_the_build_for_cpus_the_build_is_the_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cuda, "is_gpu_present", lambda: True)
    assert not has_cuda_build()
    assert "not the one for CUDA" in str(cuda_fault())


def test_without_onnx_runtime_there_is_no_build_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert not has_cuda_build()


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_onnx_runtime_that_takes_the_cpu_after_all_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cuda, "is_gpu_present", lambda: True)
    monkeypatch.setattr(cuda, "has_cuda_build", lambda: True)
    assert "could not start on it" in str(cuda_fault())


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "is_gpu_present", lambda: True)
    monkeypatch.setattr(cuda, "has_cuda_build", lambda: True)
    said = "Failed to load libcublas.so.13: not found\nPlease install CUDA."
    monkeypatch.setattr("onnxruntime.preload_dlls", lambda: sys.stdout.write(said))
    assert cuda_fault() == (
        "a library of CUDA is missing (Failed to load libcublas.so.13: not found)"
    )


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_model_meant_for_the_gpu_is_not_run_on_the_cpu() -> None:
    choice = dataclasses.replace(choose("onnxruntime", "cpu", 1), device="cuda")
    with pytest.raises(UnavailableError, match=r"mobile\.onnx could not be loaded onto the GPU"):
        load(model_folder() / CLASSIFIER, choice)

"""What faces run on: as OCR, at the precision that is set, or a refusal that says why."""

from __future__ import annotations

import pytest

from immich_aio.engines import runtimes
from immich_aio.engines.faces import choice as faces
from immich_aio.engines.faces.choice import faces_choice
from immich_aio.errors import UnavailableError


@pytest.fixture
def bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU that multiplies bf16, with both runtimes and no GPU."""
    _machine(monkeypatch, "bf16")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not."""
    _machine(monkeypatch, "f32")


def _machine(monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    monkeypatch.setattr(runtimes, "cpu_flags", lambda: frozenset({"avx512_bf16"}))
    monkeypatch.setattr(runtimes, "cpu_vendor", lambda: "AuthenticAMD")
    monkeypatch.setattr(runtimes, "cuda_fault", lambda: "there is none")
    monkeypatch.setattr(runtimes, "is_installed", lambda _name: True)
    for module in (runtimes, faces):
        monkeypatch.setattr(module, "openvino_precision", lambda: precision)


@pytest.mark.usefixtures("bf16")
def test_bf16_is_taken_where_the_cpu_has_it_and_f32_where_it_is_set() -> None:
    assert faces_choice("auto", "auto", "auto", 2).description == "OpenVINO bf16 on CPU"
    assert faces_choice("auto", "auto", "bf16", 2).description == "OpenVINO bf16 on CPU"
    assert faces_choice("auto", "auto", "f32", 2).description == "OpenVINO f32 on CPU"
    assert faces_choice("onnxruntime", "auto", "auto", 2).precision == "f32"


@pytest.mark.usefixtures("bf16")
def test_one_core_is_each_workers_own() -> None:
    choice = faces_choice("auto", "auto", "auto", 3)
    assert (choice.workers, choice.threads) == (3, 1)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("runtime", ["auto", "openvino", "onnxruntime"])
def test_bf16_that_cannot_be_had_is_refused(
    runtime: runtimes.Runtime,
) -> None:
    with pytest.raises(UnavailableError, match="FACES_PRECISION=auto"):
        faces_choice(runtime, "cpu", "bf16", 2)


def test_a_runtime_that_does_not_fit_is_refused_by_its_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtimes, "cuda_fault", lambda: None)
    with pytest.raises(UnavailableError, match="FACES_RUNTIME=auto"):
        faces_choice("openvino", "cuda", "auto", 1)

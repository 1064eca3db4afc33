"""The models come with the wheel, and their absence is said with the remedy."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from immich_aio.engines.ocr.models import (
    CLASSIFIER,
    DETECTOR,
    RECOGNISER,
    alphabet_of,
    model_folder,
)
from immich_aio.engines.runtimes import choose
from immich_aio.engines.sessions import load
from immich_aio.errors import ModelMissingError


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed rapidocr whose folder of models holds all three files."""
    folder = tmp_path / "models"
    folder.mkdir()
    for name in (DETECTOR, RECOGNISER, CLASSIFIER):
        (folder / name).touch()
    spec = ModuleSpec("rapidocr", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", {"rapidocr": spec}.get)
    return folder


def test_the_models_lie_beside_the_package(wheel: Path) -> None:
    assert model_folder() == wheel


@pytest.mark.parametrize("name", [DETECTOR, RECOGNISER, CLASSIFIER])
def test_a_wheel_with_other_models_is_refused_by_the_missing_name(wheel: Path, name: str) -> None:
    (wheel / name).unlink()
    with pytest.raises(ModelMissingError, match=rf"{name}.*constraints\.txt"):
        model_folder()


def test_without_the_wheel_the_remedy_is_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", {}.get)
    with pytest.raises(ModelMissingError, match=r"pip install 'immich-aio\[cpu\]'"):
        model_folder()


def test_the_wheel_that_is_installed_here_carries_the_models() -> None:
    assert (model_folder() / RECOGNISER).stat().st_size > 1_000_000


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_both_runtimes_read_the_same_alphabet(runtime: str) -> None:
    """Blank first and space last, a character each between them."""
    forced = choose(runtime, "cpu", 1)  # type: ignore[arg-type]  # a parameter loses literals
    alphabet = alphabet_of(load(model_folder() / RECOGNISER, forced))
    assert (alphabet[0], alphabet[-1], len(alphabet)) == ("", " ", 18_710)
    assert {"中", "国", "國", "カ", "あ", "A", "z", "0", "。"} <= set(alphabet)
    assert all(len(character) == 1 for character in alphabet[1:])


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_a_text_that_the_file_does_not_hold_is_a_key_error(runtime: str) -> None:
    forced = choose(runtime, "cpu", 1)  # type: ignore[arg-type]  # a parameter loses literals
    with pytest.raises(KeyError):
        load(model_folder() / DETECTOR, forced).metadata("no such text")

"""The OCR models: where their files are, and all three loaded."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from immich_aio.engines.ocr.input_shapes import ON_CPU, ON_CUDA, InputShapes
from immich_aio.engines.runtimes import Choice
from immich_aio.engines.sessions import Model, load
from immich_aio.errors import ModelMissingError

DETECTOR = "PP-OCRv6_det_small.onnx"
RECOGNISER = "PP-OCRv6_rec_small.onnx"
CLASSIFIER = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"


@dataclass(frozen=True, slots=True)
class OcrModels:
    """Loaded weights, and the shapes they are given; ``alphabet[0]`` is CTC's blank."""

    detector: Model
    recogniser: Model
    classifier: Model
    alphabet: list[str]
    shapes: InputShapes


def model_folder() -> Path:
    """The folder in which the ``rapidocr`` wheel carries its models.

    Raises ModelMissingError where the wheel is not installed or holds other models.
    """
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or spec.origin is None:
        raise ModelMissingError(
            "The OCR models are not installed; run pip install 'immich-aio[cpu]'."
        )
    folder = Path(spec.origin).parent / "models"
    for name in (DETECTOR, RECOGNISER, CLASSIFIER):
        if not (folder / name).is_file():
            raise ModelMissingError(
                f"The installed rapidocr does not carry {name}; install the version that "
                "constraints.txt names."
            )
    return folder


def load_models(choice: Choice) -> OcrModels:
    """All three models on the chosen runtime."""
    folder = model_folder()
    recogniser = load(folder / RECOGNISER, choice)
    return OcrModels(
        detector=load(folder / DETECTOR, choice),
        recogniser=recogniser,
        classifier=load(folder / CLASSIFIER, choice),
        alphabet=alphabet_of(recogniser),
        shapes=ON_CUDA if choice.device == "cuda" else ON_CPU,
    )


def alphabet_of(recogniser: Model) -> list[str]:
    """CTC classes in the network's order: blank, the file's characters a line each, space."""
    return ["", *recogniser.metadata("character").splitlines(), " "]

"""The two networks of a pack, loaded and known to be what they should be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from immich_aio.domain.face_packs import FACE_DIMENSION
from immich_aio.engines.faces import alignment, detector
from immich_aio.engines.faces.detector import ANCHORS, STRIDES, WIDTHS
from immich_aio.engines.faces.recogniser import Recogniser
from immich_aio.engines.model_files.pack_folder import PackFiles
from immich_aio.engines.runtimes import Choice
from immich_aio.engines.sessions import Model, Session, load
from immich_aio.errors import BadCheckpointError, UnavailableError

CPU_BATCH = 4
"""Faces recognised together on a core: with ArcFace R50 it was 5 to 8 % faster than one by one."""

GPU_BATCH = 32


@dataclass(frozen=True, slots=True)
class FaceModels:
    """Loaded weights; ``batch`` faces are recognised together."""

    detector: Model
    recogniser: Model
    batch: int


def load_models(files: PackFiles, choice: Choice) -> FaceModels:
    """Both networks on the chosen runtime.

    Raises BadCheckpointError for files that are damaged, or no SCRFD and no ArcFace, and
    UnavailableError where the GPU has no room for them.
    """
    try:
        side = detector.SIDE
        finder = load(files.detection, choice, (1, 3, side, side), exact_ends=True)
        recogniser = load(files.recognition, choice, exact_ends=True)
        batch = GPU_BATCH if choice.device == "cuda" else CPU_BATCH
        models = FaceModels(finder, recogniser, recogniser.input_shape()[0] or batch)
        fault = _fault(models)
    except UnavailableError:  # the GPU is, not the files
        raise
    except Exception as error:  # noqa: BLE001  # each runtime has its own zoo of them
        fault = f"it cannot be loaded ({' '.join(str(error).split())[:200]})"
    if fault is not None:
        folder = files.detection.parent.parent
        raise BadCheckpointError(
            f"The face pack at {folder} cannot be used: {fault}. Remove it with 'immich-aio models "
            "rm' and get it again."
        )
    return models


def _fault(models: FaceModels) -> str | None:
    """What is wrong with a pack, by trying it on black; None where nothing is."""
    session = models.detector.session()
    black = np.zeros((detector.SIDE, detector.SIDE, 3), np.uint8)
    sizes = [output.size for output in session.run_all(detector.to_tensor(black))]
    if sizes != expected_sizes():
        return "its detector is no SCRFD with five points, for it has other outputs"
    return _recogniser_fault(models.recogniser.session(), models.batch)


def _recogniser_fault(session: Session, batch: int) -> str | None:
    black = np.zeros((alignment.SIDE, alignment.SIDE, 3), np.uint8)
    count = Recogniser(session).vectors([black] * batch).shape
    if count != (batch, FACE_DIMENSION):
        return f"its recogniser gives {count} numbers for {batch} faces, not {FACE_DIMENSION} each"
    return None


def expected_sizes() -> list[int]:
    """How many numbers each of SCRFD's nine outputs has: scores, edges, points by grid."""
    places = [(detector.SIDE // stride) ** 2 * ANCHORS for stride in STRIDES]
    return [count * width for width in WIDTHS for count in places]

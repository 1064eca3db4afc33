"""Hold our boxes and vectors against insightface's, live, on the same networks and pictures.

Run: ./aio reference faces. The networks are those of ``bench.face_networks``, small, and with all
layers of SCRFD-10G and ArcFace R50. Prints the largest difference of boxes and landmarks in pixels
and the least cosine, in float32 and as served on this machine, and ends with status 1 where either
is not within 0.5 px and 0.9999.

What is served is compared on faces of which one place of the detector's grid is by far the surest.
A drawn network puts a box around the place that sees a face, not around the face, so where two
places are nearly as sure, rounding decides which it is, and the box jumps. All anchors of a trained
one put it around the face.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.face_networks import write_pack
from bench.face_samples import DrawnFace, Pixels, picture
from immich_aio.engines.faces.alignment import aligned
from immich_aio.engines.faces.choice import faces_choice
from immich_aio.engines.faces.detector import Detector
from immich_aio.engines.faces.models import FaceModels, load_models
from immich_aio.engines.faces.recogniser import Recogniser
from immich_aio.engines.model_files.pack_folder import PackFiles
from immich_aio.engines.runtimes import Choice

warnings.simplefilter("ignore", FutureWarning)  # of scikit-image, at every face
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import insightface
    from insightface.app import FaceAnalysis
    from insightface.model_zoo import RetinaFace

MIN_SCORE = 0.5
MOST_PIXELS, LEAST_COSINE = 0.5, 0.9999
REACHES = {24: 8, 36: 8, 60: 16, 110: 32, 150: 32}
"""Sizes of faces as the detector sees them, and the stride of the grid that sees them best."""


@dataclass(frozen=True)
class Faces:
    """What one side finds on all pictures, each an array a picture."""

    boxes: list[NDArray[Any]]
    landmarks: list[NDArray[Any]]
    vectors: list[NDArray[Any]]


def main() -> int:
    """Compare, print, and say whether all is well."""
    parser = argparse.ArgumentParser(prog="reference faces", description=__doc__)
    parser.add_argument("--small", action="store_true", help="only the small networks")
    options = parser.parse_args()
    _say(f"insightface {insightface.__version__}")
    fine = True
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("small",) if options.small else ("small", "large"):
            pack = Path(folder, kind)
            files = PackFiles(*write_pack(pack, large=kind == "large"))
            fine &= _compare(kind, files)
    return 0 if fine else 1


def _anywhere() -> list[Pixels]:
    """Pictures of several shapes, faces of all sizes, turned, crowded, and cut by the border."""
    chance = np.random.default_rng(8)
    found = []
    for number, (width, height) in enumerate(
        [(640, 480), (1440, 1080), (1080, 1440), (333, 500), (2400, 700), (200, 150), (640, 640)]
    ):
        scale = 640 / max(width, height)
        faces = [
            DrawnFace(
                x=float(chance.uniform(0, width)),
                y=float(chance.uniform(0, height)),
                reach=float(chance.choice(list(REACHES))) / scale,
                turn=float(chance.uniform(-60, 60)),
                red=int(chance.integers(236, 256)),
                identity=int(chance.integers(0, 50)),
            )
            for _ in range(6 + 4 * number)
        ]
        found.append(picture(width, height, faces, background=number))
    found.append(picture(800, 600, [], background=99))
    return found


def _in_places() -> list[Pixels]:
    """Pictures at full size and at 2.25 times that, faces in the middles of places of a grid."""
    found = []
    for number, (reach, stride) in enumerate(REACHES.items()):
        side = max(stride, -(-2 * reach // stride) * stride + stride)
        middles = [(stride - 1) / 2 + at for at in range(side, 640 - side, 2 * side)]
        places = [(x, y) for y in middles if y + reach < 480 for x in middles]
        for factor in (1.0, 2.25):
            faces = [
                DrawnFace(x * factor, y * factor, reach * factor, 17 * at - 40, 245, at)
                for at, (x, y) in enumerate(places[:9])
            ]
            found.append(
                picture(round(640 * factor), round(480 * factor), faces, background=number)
            )
    return found


def _compare(kind: str, files: PackFiles) -> bool:
    fine = True
    anywhere = _anywhere()
    theirs = _theirs(files, anywhere)
    _say(f"{kind} networks, {sum(map(len, theirs.boxes))} faces anywhere:")
    for runtime in ("onnxruntime", "openvino"):
        choice = faces_choice(runtime, "cpu", "f32", 1)
        fine &= _report(choice, _ours(files, choice, anywhere), theirs)
    in_places = _in_places()
    theirs = _theirs(files, in_places)
    _say(f"{kind} networks, {sum(map(len, theirs.boxes))} faces in places:")
    choice = faces_choice("auto", "cpu", "auto", 1)
    return fine & _report(choice, _ours(files, choice, in_places), theirs)


def _theirs(files: PackFiles, pictures: list[Pixels]) -> Faces:
    """insightface's, with its own code from pixels to vectors."""
    app = FaceAnalysis(
        str(files.detection.parent),
        allowed_modules=["detection", "recognition"],
        providers=["CPUExecutionProvider"],
    )
    app.prepare(0, det_thresh=MIN_SCORE, det_size=(640, 640))
    immichs = RetinaFace(session=app.det_model.session)  # the class that Immich's server takes
    immichs.prepare(0, det_thresh=MIN_SCORE, input_size=(640, 640))
    faces = Faces([], [], [])
    for pixels in pictures:
        found = app.get(np.ascontiguousarray(pixels[..., ::-1]))
        boxes, _ = immichs.detect(np.ascontiguousarray(pixels[..., ::-1]))
        faces.boxes.append(np.array([face.bbox for face in found]).reshape(-1, 4))
        faces.landmarks.append(np.array([face.kps for face in found]).reshape(-1, 5, 2))
        faces.vectors.append(np.array([face.normed_embedding for face in found]).reshape(-1, 512))
        np.testing.assert_allclose(_sorted(boxes[:, :4]), _sorted(faces.boxes[-1]), atol=0.01)
    return faces


def _ours(files: PackFiles, choice: Choice, pictures: list[Pixels]) -> Faces:
    models: FaceModels = load_models(files, choice)
    finder = Detector(models.detector.session())
    recogniser = Recogniser(models.recogniser.session())
    faces = Faces([], [], [])
    for pixels in pictures:
        found = finder.find(pixels, MIN_SCORE)
        squares = list(aligned(pixels, found.landmarks))
        batches = [squares[at : at + models.batch] for at in range(0, len(squares), models.batch)]
        vectors = [recogniser.vectors(batch) for batch in batches]
        faces.boxes.append(found.boxes)
        faces.landmarks.append(found.landmarks)
        faces.vectors.append(np.concatenate([*vectors, np.zeros((0, 512), np.float32)]))
    return faces


def _report(choice: Choice, ours: Faces, theirs: Faces) -> bool:
    """Pairs are faces whose boxes are nearest; every face must have one of its own."""
    pixels, points, cosines = [0.0], [0.0], [1.0]
    same = [len(boxes) for boxes in ours.boxes] == [len(boxes) for boxes in theirs.boxes]
    for at, boxes in enumerate(theirs.boxes):
        for index, box in enumerate(boxes):
            if not len(ours.boxes[at]):
                continue
            distances = np.abs(ours.boxes[at] - box).max(axis=1)
            pair = int(distances.argmin())
            pixels.append(float(distances[pair]))
            gaps = ours.landmarks[at][pair] - theirs.landmarks[at][index]
            points.append(float(np.abs(gaps).max()))
            cosines.append(float(ours.vectors[at][pair] @ theirs.vectors[at][index]))
    fine = same and max(pixels) <= MOST_PIXELS and min(cosines) >= LEAST_COSINE
    _say(
        f"  {choice.description:<24} {'as many faces' if same else 'OTHER FACES'}; largest "
        f"difference: box {max(pixels):.3f} px, landmark {max(points):.3f} px; least cosine "
        f"{min(cosines):.7f}{'' if fine else '  TOO FAR'}"
    )
    return fine


def _sorted(boxes: NDArray[Any]) -> NDArray[Any]:
    return boxes[np.lexsort(boxes.T)]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""The baseline in a process of its own: ``insightface`` on ONNX Runtime, as face servers run it.

Run by the Python that has it (``./aio bench faces`` sees to that), over a folder with a pack and a
folder of image files. For every line of JSON on standard input it answers with one:

    {"do": "files", "at_once": N}   seconds to find the faces of every file, so many at once
    {"do": "faces", "path": P}      writes the boxes and vectors of all files to P
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

warnings.simplefilter("ignore", FutureWarning)  # of scikit-image, at every face
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from insightface.app import FaceAnalysis

MIN_SCORE = 0.5


class Baseline:
    """The reference over the files of a folder."""

    def __init__(self, pack: Path, folder: Path) -> None:
        modules = ["detection", "recognition"]
        providers = ["CPUExecutionProvider"]
        self._app = FaceAnalysis(str(pack), allowed_modules=modules, providers=providers)
        self._app.prepare(0, det_thresh=MIN_SCORE, det_size=(640, 640))
        self._files = [np.fromfile(path, np.uint8) for path in sorted(folder.iterdir())]

    def faces(self, file: Any) -> list[Any]:  # noqa: ANN401  # insightface publishes no types
        """From bytes to faces."""
        found: list[Any] = self._app.get(cv2.imdecode(file, cv2.IMREAD_COLOR))
        return found

    def files(self, at_once: int) -> None:
        """Every file."""
        with ThreadPoolExecutor(at_once) as threads:
            list(threads.map(self.faces, self._files))

    def write_faces(self, path: Path) -> None:
        """Boxes (files, faces, 4) and vectors (files, faces, 512), the surest face first."""
        found = [self.faces(file) for file in self._files]
        boxes = [[face.bbox for face in faces] for faces in found]
        vectors = [[face.normed_embedding for face in faces] for faces in found]
        np.savez(path, boxes=np.array(boxes), vectors=np.array(vectors))


def main() -> None:
    """Serve until standard input closes."""
    baseline = Baseline(Path(sys.argv[1]), Path(sys.argv[2]))
    baseline.files(1)
    _say("ready")
    for line in sys.stdin:
        asked = json.loads(line)
        started = time.perf_counter()
        if asked["do"] == "files":
            baseline.files(asked["at_once"])
        else:
            baseline.write_faces(Path(asked["path"]))
        _say(time.perf_counter() - started)


def _say(value: object) -> None:
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

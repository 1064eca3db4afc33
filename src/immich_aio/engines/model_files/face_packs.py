"""What there is to fetch of faces: InsightFace's packs, as Immich has them and as zips.

Immich's repositories at Hugging Face (``immich-app/…``) hold the two networks of a pack that are
needed, InsightFace's releases at GitHub zips of all five. InsightFace publishes no hashes; those
here were noted by several projects, independently of each other, of the zips and of the files in
Immich's repositories. Of Immich's ``antelopev2`` none was found: what comes is held against the
hash that Hugging Face announces, and against itself ever after.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from immich_aio.engines.model_files.catalogue import RemoteFile

Task = Literal["detection", "recognition"]
TASKS: tuple[Task, Task] = ("detection", "recognition")

RELEASE = "deepinsight/insightface/releases/download/model-zoo"


@dataclass(frozen=True, slots=True)
class PublishedPack:
    """A pack as ``RECOGNITION_MODEL`` names it.

    ``networks`` are the two files as Immich has them, the detector first; ``members`` what they are
    called in the ``archive``.
    """

    name: str
    networks: tuple[RemoteFile, RemoteFile]
    archive: RemoteFile
    members: tuple[str, str]

    def of_tasks(self) -> Iterator[tuple[Task, RemoteFile, str]]:
        """Each task with its file and what that is called in the archive."""
        yield from zip(TASKS, self.networks, self.members, strict=True)


def other_reason(task: Task) -> str:
    """Why a good file may be another than the published one; empty where nothing is known.

    Immich's server (3.1.0) adds a batch axis to a recogniser where it runs on a CPU or CUDA.
    """
    if task == "detection":
        return ""
    return (
        " Immich's own server rewrites the recogniser that it has fetched: the vectors stay the "
        "same, but the file in its cache is not the published one."
    )


_Known = tuple[str, int, str]
"""A file's name in InsightFace's zips, its bytes, its SHA-256."""

_SCRFD_10G: _Known = (
    "det_10g.onnx",
    16_923_827,
    "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
)
_SCRFD_2_5G: _Known = (
    "det_2.5g.onnx",
    3_292_009,
    "041f73f47371333d1d17a6fee6c8ab4e6aecabefe398ff32cca4e2d5eaee0af9",
)
_SCRFD_500M: _Known = (
    "det_500m.onnx",
    2_524_817,
    "5e4447f50245bbd7966bd6c0fa52938c61474a04ec7def48753668a9d8b4ea3a",
)
_ARCFACE_R50: _Known = (
    "w600k_r50.onnx",
    174_383_860,
    "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
)
_MOBILEFACENET: _Known = (
    "w600k_mbf.onnx",
    13_616_099,
    "9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f",
)


def _network(pack: str, task: Task, size: int | None, sha256: str | None) -> RemoteFile:
    name = f"{task}/model.onnx"
    return RemoteFile(name, f"immich-app/{pack}", None, size, sha256, folder=f"{pack}/{name}")


def _archive(pack: str, size: int, sha256: str) -> RemoteFile:
    return RemoteFile(f"{pack}.zip", None, None, size, sha256, github=RELEASE)


def _buffalo(
    name: str, detector: _Known, recogniser: _Known, size: int, sha256: str
) -> PublishedPack:
    networks = (
        _network(name, "detection", *detector[1:]),
        _network(name, "recognition", *recogniser[1:]),
    )
    members = (detector[0], recogniser[0])
    return PublishedPack(name, networks, _archive(name, size, sha256), members)


FACE_PACKS = (
    _buffalo(
        "buffalo_l",
        _SCRFD_10G,
        _ARCFACE_R50,
        288_621_354,
        "80ffe37d8a5940d59a7384c201a2a38d4741f2f3c51eef46ebb28218a7b0ca2f",
    ),
    _buffalo(
        "buffalo_m",
        _SCRFD_2_5G,
        _ARCFACE_R50,
        275_951_529,
        "d98264bd8f2dc75cbc2ddce2a14e636e02bb857b3051c234b737bf3b614edca9",
    ),
    _buffalo(
        "buffalo_s",
        _SCRFD_500M,
        _MOBILEFACENET,
        127_607_557,
        "d85a87f503f691807cd8bb97128bdf7a0660326cd9cd02657127fa978bab8b5e",
    ),
    PublishedPack(
        "antelopev2",
        (
            _network("antelopev2", "detection", None, None),
            _network("antelopev2", "recognition", None, None),
        ),
        _archive(
            "antelopev2",
            360_662_982,
            "8e182f14fc6e80b3bfa375b33eb6cff7ee05d8ef7633e738d1c89021dcf0c5c5",
        ),
        ("scrfd_10g_bnkps.onnx", "glintr100.onnx"),
    ),
)
"""The packs that Immich lists, its default first."""

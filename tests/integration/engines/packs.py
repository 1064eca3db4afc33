"""A small pack that hubs of ``hub.py`` offer, in every form in which packs come."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Mapping
from pathlib import Path

from immich_aio.engines.model_files.catalogue import RemoteFile
from immich_aio.engines.model_files.face_packs import PublishedPack
from immich_aio.engines.model_files.sources import Source
from tests.integration.engines.hub import Hub, Offer, sha256

DETECTION = random.Random(5).randbytes(50_000)  # noqa: S311  # no secret
RECOGNITION = random.Random(6).randbytes(200_000)  # noqa: S311  # no secret
OTHER = random.Random(7).randbytes(200_000)  # noqa: S311  # no secret
MEMBERS = ("det_10g.onnx", "w600k_r50.onnx")

AT_HUB = "/immich-app/buffalo_l/resolve/main"
AT_GITHUB = "/releases/buffalo_l.zip"
AT_NAS = "/nas/buffalo_l"


def zipped(files: Mapping[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


ZIP = zipped(
    {
        "1k3d68.onnx": b"not needed",
        "det_10g.onnx": DETECTION,
        "genderage.onnx": b"not needed",
        "w600k_r50.onnx": RECOGNITION,
    }
)


def published(*, pinned: bool = True, archive: bytes = ZIP) -> PublishedPack:
    """The pack as a catalogue has it, with hashes or without."""

    def network(name: str, data: bytes) -> RemoteFile:
        known = (len(data), sha256(data)) if pinned else (None, None)
        return RemoteFile(name, "immich-app/buffalo_l", None, *known, folder=f"buffalo_l/{name}")

    known = (len(archive), sha256(archive)) if pinned else (None, None)
    return PublishedPack(
        "buffalo_l",
        (
            network("detection/model.onnx", DETECTION),
            network("recognition/model.onnx", RECOGNITION),
        ),
        RemoteFile("buffalo_l.zip", None, None, *known, github="releases"),
        MEMBERS,
    )


PACK = published()
UNPINNED = published(pinned=False)


def sources(hub: Hub, *kinds: str) -> list[Source]:
    """Sources at the hub: hubs by their kinds, and ``nas`` for a plain folder of files."""
    return [
        Source("folder", f"{hub.url}/nas") if kind == "nas" else Source(kind, hub.url)  # type: ignore[arg-type]
        for kind in kinds
    ]


def offer_files(hub: Hub, at: str = AT_HUB, *offers: Offer) -> None:
    """Offer both networks at an address; ``offers`` are for the second one."""
    hub.offer(f"{at}/detection/model.onnx", Offer(DETECTION))
    hub.offer(f"{at}/recognition/model.onnx", *(offers or (Offer(RECOGNITION),)))


def lay(folder: Path, *names: str, data: tuple[bytes, bytes] = (DETECTION, RECOGNITION)) -> Path:
    """Both networks by these names in a folder."""
    for name, content in zip(names, data, strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder

"""What there is to fetch: the official Chinese-CLIP checkpoints. Face packs: ``face_packs.py``.

Sizes and hashes are those of the Git LFS pointers in the publisher's repositories at Hugging Face
(``OFA-Sys/…``); ModelScope mirrors the repositories under ``AI-ModelScope/…``.
"""

from __future__ import annotations

from dataclasses import dataclass

from immich_aio.domain.clip_models import CN_CLIP_DIMENSIONS


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file that hubs offer: what it is called here and there, and how to know it again.

    ``huggingface``, ``modelscope`` and ``github`` are the repositories (at GitHub with the release)
    that have a file of this ``name``; None where none does. A plain folder on a web server has it
    as ``place``. ``size`` is in bytes; a file whose ``sha256`` nobody has published yet has None.
    """

    name: str
    huggingface: str | None
    modelscope: str | None
    size: int | None = None
    sha256: str | None = None
    github: str | None = None
    folder: str | None = None

    @property
    def place(self) -> str:
        """Its path in a plain folder."""
        return self.folder or self.name


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A model as ``CLIP_MODEL`` names it; its vectors have ``dimension`` numbers."""

    name: str
    dimension: int
    checkpoint: RemoteFile


def _chinese_clip(name: str, repository: str, size: int, sha256: str) -> PublishedModel:
    file = RemoteFile(
        name=f"clip_cn_{name.lower()}.pt",
        huggingface=f"OFA-Sys/{repository}",
        modelscope=f"AI-ModelScope/{repository}",
        size=size,
        sha256=sha256,
    )
    return PublishedModel(name, CN_CLIP_DIMENSIONS[name], file)


CLIP_MODELS = (
    _chinese_clip(
        "RN50",
        "chinese-clip-rn50",
        308_316_425,
        "b196ee3ee528b70be1158ab1aafb1d2f1c801ad2d9ffb3bae31b0d305f82fc88",
    ),
    _chinese_clip(
        "ViT-B-16",
        "chinese-clip-vit-base-patch16",
        753_196_934,
        "5997ef32c50de18f3ac06eb5d746c324a639053c3bed8f2986f97ebb22b2ecde",
    ),
    _chinese_clip(
        "ViT-L-14",
        "chinese-clip-vit-large-patch14",
        1_625_135_766,
        "26a0d4ac248fcea33e8c1e32c22a80def0fe9b1770b429129dfcc04bcd978d28",
    ),
    _chinese_clip(
        "ViT-L-14-336",
        "chinese-clip-vit-large-patch14-336px",
        1_626_446_358,
        "53b9a3141f14b2e87366b0857ce78ac1c4c99e028d4d3d832ca8107deae0775b",
    ),
    _chinese_clip(
        "ViT-H-14",
        "chinese-clip-vit-huge-patch14",
        3_830_716_726,
        "4549b1a9775db38806dfa398e8e97be4e27299b84b71250d8d2ef0472e708aee",
    ),
)
"""The five models of cn-clip, smallest first."""

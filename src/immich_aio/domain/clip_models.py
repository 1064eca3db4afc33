"""CLIP models by name: how long their vectors are, and which of Immich's names stand for ours.

Immich takes CLIP models from a list, and its database column has the length of the chosen model's
vectors. So a Chinese-CLIP model is chosen in Immich by the name of a listed model whose vectors are
as long; what is behind the name is the gateway's affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

CN_CLIP_DIMENSIONS: Mapping[str, int] = MappingProxyType(
    {"ViT-B-16": 512, "ViT-L-14": 768, "ViT-L-14-336": 768, "ViT-H-14": 1024, "RN50": 1024}
)
"""The published Chinese-CLIP models and the lengths of their vectors."""

STAND_INS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        512: ("ViT-B-32__openai", "ViT-B-16__openai"),
        768: ("ViT-L-14__openai", "ViT-L-14-336__openai"),
        1024: ("RN50__openai", "ViT-H-14__laion2b-s32b-b79k"),
    }
)
"""By length of vector, the names that Chinese-CLIP answers to unless a setting says otherwise."""

_IMMICH_NAMES: Mapping[int, str] = MappingProxyType(
    {
        512: "RN101__openai RN101__yfcc15m ViT-B-16__laion400m_e31 ViT-B-16__laion400m_e32 "
        "ViT-B-16__openai ViT-B-32__laion2b-s34b-b79k ViT-B-32__laion2b_e16 "
        "ViT-B-32__laion400m_e31 ViT-B-32__laion400m_e32 ViT-B-32__openai "
        "XLM-Roberta-Base-ViT-B-32__laion5b_s13b_b90k XLM-Roberta-Large-Vit-B-32",
        640: "RN50x4__openai ViT-B-16-plus-240__laion400m_e31 ViT-B-16-plus-240__laion400m_e32 "
        "XLM-Roberta-Large-Vit-B-16Plus",
        768: "LABSE-Vit-L-14 RN50x16__openai ViT-B-16-SigLIP__webli ViT-B-16-SigLIP-256__webli "
        "ViT-B-16-SigLIP-384__webli ViT-B-16-SigLIP-512__webli ViT-B-16-SigLIP-i18n-256__webli "
        "ViT-B-16-SigLIP2__webli ViT-B-32-SigLIP2-256__webli ViT-L-14-336__openai "
        "ViT-L-14-quickgelu__dfn2b ViT-L-14__laion2b-s32b-b82k ViT-L-14__laion400m_e31 "
        "ViT-L-14__laion400m_e32 ViT-L-14__openai XLM-Roberta-Large-Vit-L-14 "
        "nllb-clip-base-siglip__mrl nllb-clip-base-siglip__v1",
        1024: "RN50__cc12m RN50__openai RN50__yfcc15m RN50x64__openai "
        "ViT-H-14-378-quickgelu__dfn5b ViT-H-14-quickgelu__dfn5b ViT-H-14__laion2b-s32b-b79k "
        "ViT-L-16-SigLIP-256__webli ViT-L-16-SigLIP-384__webli ViT-L-16-SigLIP2-256__webli "
        "ViT-L-16-SigLIP2-384__webli ViT-L-16-SigLIP2-512__webli ViT-g-14__laion2b-s12b-b42k "
        "XLM-Roberta-Large-ViT-H-14__frozen_laion5b_s13b_b90k",
        1152: "ViT-SO400M-14-SigLIP-384__webli ViT-SO400M-14-SigLIP2__webli "
        "ViT-SO400M-14-SigLIP2-378__webli ViT-SO400M-16-SigLIP2-256__webli "
        "ViT-SO400M-16-SigLIP2-384__webli ViT-SO400M-16-SigLIP2-512__webli "
        "nllb-clip-large-siglip__mrl nllb-clip-large-siglip__v1",
        1536: "ViT-gopt-16-SigLIP2-256__webli ViT-gopt-16-SigLIP2-384__webli",
    }
)
IMMICHS_DEFAULT = "ViT-B-32__openai"
"""The CLIP model of an Immich whose settings name none."""
IMMICH_DIMENSIONS: Mapping[str, int] = MappingProxyType(
    {name: dimension for dimension, names in _IMMICH_NAMES.items() for name in names.split()}
)
"""Immich's listed CLIP models (3.1.0) and the lengths of their vectors."""


@dataclass(frozen=True, slots=True)
class ClipModel:
    """Which CLIP model a backend answers with.

    ``dimension`` is the length of its vectors; None while that cannot be known yet. ``state`` is in
    words for people, such as "ready" or how far a download is. ``identity`` tells its weights from
    any others, and is empty while that cannot be known.
    """

    name: str
    dimension: int | None
    state: str
    identity: str = ""


def immich_dimension(name: str) -> int | None:
    """The length of the vectors that Immich expects under a name; None if it is not listed."""
    return IMMICH_DIMENSIONS.get(listed_name(name))


def listed_name(name: str) -> str:
    """A name as Immich's list spells it; old settings have ``owner/`` before it, or ``::``."""
    return name.rsplit("/", 1)[-1].replace(":", "_")


def mismatch(immich_name: str, model: str, dimension: int) -> str | None:
    """What to tell whoever asks under a name whose vectors have another length; None if they fit.

    A name that Immich does not list fits: its length is not known.
    """
    expected = immich_dimension(immich_name)
    if expected is None or expected == dimension:
        return None
    fitting = STAND_INS.get(dimension, ())
    remedy = (
        f"choose {' or '.join(fitting)} in Immich under Administration → Settings → Machine "
        "Learning → Smart Search → CLIP model, and run Smart Search for all assets"
        if fitting
        else "Immich lists no model whose vectors are as long"
    )
    return (
        f"Immich asks for {immich_name}, whose vectors have {expected} numbers; CLIP_MODEL={model} "
        f"makes {dimension}: {remedy}."
    )

"""The networks of Chinese-CLIP as values, and the five of them that were published.

The figures are those of ``cn_clip`` 1.6.0's model configurations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

CONTEXT = 52
"""Tokens of the longest text, with the two that mark its beginning and its end."""

VOCABULARY = 21128
"""Words of the vocabulary, BERT's for Chinese, that all models share."""


@dataclass(frozen=True, slots=True)
class VisionTransformer:
    """The image tower of the ViT models; ``side`` and ``patch`` in pixels."""

    side: int
    patch: int
    width: int
    layers: int

    @property
    def heads(self) -> int:
        """Attention heads of every layer, each 64 wide, and 80 in ViT-H-14."""
        return self.width // (80 if self.width == 1280 else 64)


@dataclass(frozen=True, slots=True)
class ModifiedResNet:
    """The image tower of RN50; ``blocks`` in each of its four stages, ``side`` in pixels."""

    side: int
    width: int
    blocks: tuple[int, ...]

    @property
    def features(self) -> int:
        """Channels that the last stage gives to the attention pool."""
        return self.width * 32

    @property
    def heads(self) -> int:
        """Attention heads of the pool."""
        return self.features // 64


@dataclass(frozen=True, slots=True)
class TextTransformer:
    """The text tower: a BERT whose first token's vector is the text's."""

    width: int
    layers: int

    @property
    def heads(self) -> int:
        """Attention heads of every layer."""
        return self.width // 64


@dataclass(frozen=True, slots=True)
class Architecture:
    """Both towers; their vectors have ``dimension`` numbers."""

    vision: VisionTransformer | ModifiedResNet
    text: TextTransformer
    dimension: int

    @property
    def official_name(self) -> str | None:
        """What cn_clip calls it, such as ViT-B-16; None for one that is not among its five."""
        return next((name for name, known in OFFICIAL.items() if known == self), None)


_BASE = TextTransformer(width=768, layers=12)
OFFICIAL: Mapping[str, Architecture] = MappingProxyType(
    {
        "ViT-B-16": Architecture(VisionTransformer(224, 16, 768, 12), _BASE, 512),
        "ViT-L-14": Architecture(VisionTransformer(224, 14, 1024, 24), _BASE, 768),
        "ViT-L-14-336": Architecture(VisionTransformer(336, 14, 1024, 24), _BASE, 768),
        "ViT-H-14": Architecture(
            VisionTransformer(224, 14, 1280, 32), TextTransformer(1024, 24), 1024
        ),
        "RN50": Architecture(ModifiedResNet(224, 64, (3, 4, 6, 3)), TextTransformer(768, 3), 1024),
    }
)
"""The architectures of the published checkpoints."""

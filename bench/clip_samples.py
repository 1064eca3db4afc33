"""Pictures and texts for Chinese-CLIP, the same everywhere: the golden vectors are made of them."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TEXTS = (
    "发票",
    "杭州西湖的秋天",
    "a photo of a cat",
    "电子发票 杭州 2024-05-01 ¥128.00",
    "生日蛋糕",
    "海边日落, two dogs running",
    "繁體中文的招牌",
    "在草地上奔跑的两只狗和一个穿红色外套的孩子" * 4,
)
"""Of very different lengths; the last is cut at 52 tokens."""

QUERIES = (
    "发票",
    "西湖",
    "a cat",
    "电子发票 杭州",
    "生日蛋糕",
    "海边日落",
    "红色的车",
    "two dogs 草地",
)
"""Short ones, as people type them."""


def pixels(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """A picture of broad waves of colour, (height, width, 3); every number gives another."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    waves = [
        np.sin((3 + number) * x * (channel + 1) + (5 - number % 4) * y + number * channel)
        + np.cos(9 * (number + 1) * y * x + channel)
        for channel in range(3)
    ]
    return np.clip(np.stack(waves, axis=-1) * 62 + 127.5, 0, 255).astype(np.uint8)


def picture_file(number: int, width: int, height: int, *, kind: str = "PNG") -> bytes:
    """The same as an image file."""
    target = io.BytesIO()
    Image.fromarray(pixels(number, width, height)).save(target, kind, quality=85)
    return target.getvalue()

"""Pictures as Chinese-CLIP's image tower takes them: squeezed into a square, by Pillow's bicubic.

What ``cn_clip`` 1.6.0 does by way of torchvision, to the byte: the resize comes first, in the mode
that the file has, and the conversion to red-green-blue after it. So an alpha channel is dropped,
not laid over a colour. Two things are done that cn_clip leaves undone: pictures are turned upright,
and grey of more than eight bits is scaled rather than clipped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from immich_aio.domain.images import ImageLimits
from immich_aio.wire.image_file import load_upright
from immich_aio.wire.image_pixels import eight_bit


@dataclass(frozen=True, slots=True, eq=False)
class Square:
    """A picture as the tower takes it: (side, side, 3), uint8; and its own size in pixels."""

    pixels: NDArray[np.uint8]
    width: int
    height: int


def square(image_file: bytes, limits: ImageLimits, side: int) -> Square:
    """The picture of an image file. Raises BadImageError or TooLargeError."""
    picture = eight_bit(load_upright(image_file, limits))
    squeezed = picture.resize((side, side), Pillow.Resampling.BICUBIC).convert("RGB")
    return Square(np.asarray(squeezed), picture.width, picture.height)

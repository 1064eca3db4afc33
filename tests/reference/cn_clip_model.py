"""``cn_clip`` on PyTorch: the reference that our vectors are held against.

It runs where both are installed: ``./aio reference`` does that, in an environment of its own.
"""

from __future__ import annotations

import importlib.util
import io
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from immich_aio.engines.clip.architecture import Architecture, VisionTransformer


def _stand_in_for_torchvision() -> None:
    """cn_clip needs four of its transforms; of a Pillow image they are these few lines of it.

    ``Resize`` of a Pillow image is Pillow's own; the rest is arithmetic. torchvision's wheels fit
    one build of PyTorch each, so it is often the one thing that does not install.
    """

    class Compose:
        def __init__(self, steps: list[Any]) -> None:
            self._steps = steps

        def __call__(self, x: Any) -> Any:
            for step in self._steps:
                x = step(x)
            return x

    class Resize:
        def __init__(self, size: tuple[int, int], interpolation: int) -> None:
            self._height, self._width = size
            self._interpolation = interpolation

        def __call__(self, image: Image.Image) -> Image.Image:
            return image.resize((self._width, self._height), self._interpolation)

    class ToTensor:
        def __call__(self, image: Image.Image) -> Any:
            planes = np.asarray(image, np.uint8).transpose(2, 0, 1).copy()
            return torch.from_numpy(planes).to(torch.get_default_dtype()).div(255)

    class Normalize:
        def __init__(self, mean: tuple[float, ...], deviation: tuple[float, ...]) -> None:
            self._mean = torch.tensor(mean).view(-1, 1, 1)
            self._deviation = torch.tensor(deviation).view(-1, 1, 1)

        def __call__(self, x: Any) -> Any:
            return x.sub(self._mean).div(self._deviation)

    transforms = types.ModuleType("torchvision.transforms")
    for each in (Compose, Resize, ToTensor, Normalize):
        setattr(transforms, each.__name__, each)
    transforms.InterpolationMode = types.SimpleNamespace(BICUBIC=Image.Resampling.BICUBIC)
    sys.modules["torchvision"] = types.ModuleType("torchvision")
    sys.modules["torchvision.transforms"] = transforms


if importlib.util.find_spec("torchvision") is None:
    _stand_in_for_torchvision()

import cn_clip.clip.model  # noqa: E402  # it imports torchvision
import cn_clip.clip.utils  # noqa: E402


class Reference:
    """A checkpoint as cn_clip loads it for a CPU: rounded to float16, computed in float32."""

    def __init__(self, checkpoint: Path, architecture: Architecture) -> None:
        model = cn_clip.clip.model.CLIP(**_configuration(architecture))
        cn_clip.clip.model.convert_weights(model)
        state = torch.load(checkpoint, map_location="cpu")["state_dict"]
        model.load_state_dict(
            {name.removeprefix("module."): values for name, values in state.items()}
        )
        self._model = model.float().eval()
        self._transform = cn_clip.clip.utils.image_transform(architecture.vision.side)

    def preprocessed(self, image_file: bytes) -> Any:
        """An image file as the model takes it: a tensor (3, side, side)."""
        return self._transform(Image.open(io.BytesIO(image_file)))

    def image_vectors(self, planes: Any) -> NDArray[np.float32]:
        """Vectors of length 1 of a batch of preprocessed images."""
        with torch.no_grad():
            return _normalised(self._model.encode_image(planes))

    def text_vectors(self, tokens: Any) -> NDArray[np.float32]:
        """Vectors of length 1 of a batch of texts as ``tokenised`` gives them."""
        with torch.no_grad():
            return _normalised(self._model.encode_text(tokens))


def tokenised(texts: list[str]) -> Any:
    """Texts as the model takes them: a tensor (texts, 52)."""
    return cn_clip.clip.utils.tokenize(texts)


def _configuration(architecture: Architecture) -> dict[str, Any]:
    vision, text = architecture.vision, architecture.text
    if isinstance(vision, VisionTransformer):
        image = {
            "vision_layers": vision.layers,
            "vision_patch_size": vision.patch,
            "vision_head_width": vision.width // vision.heads,
        }
    else:
        image = {"vision_layers": vision.blocks, "vision_patch_size": None}
    return {
        **image,
        "embed_dim": architecture.dimension,
        "image_resolution": vision.side,
        "vision_width": vision.width,
        "vocab_size": 21128,
        "text_attention_probs_dropout_prob": 0.1,
        "text_hidden_act": "gelu",
        "text_hidden_dropout_prob": 0.1,
        "text_hidden_size": text.width,
        "text_initializer_range": 0.02,
        "text_intermediate_size": 4 * text.width,
        "text_max_position_embeddings": 512,
        "text_num_attention_heads": text.heads,
        "text_num_hidden_layers": text.layers,
        "text_type_vocab_size": 2,
    }


def _normalised(vectors: Any) -> NDArray[np.float32]:
    return np.asarray(vectors / vectors.norm(dim=-1, keepdim=True), np.float32)

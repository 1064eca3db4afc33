"""Which network a checkpoint holds is told from its tensors, and one that lacks any is refused."""

from __future__ import annotations

import pytest

from immich_aio.domain.clip_models import CN_CLIP_DIMENSIONS
from immich_aio.engines.clip.architecture import OFFICIAL
from immich_aio.engines.clip.checkpoint import open_checkpoint
from immich_aio.engines.clip.state_dict import architecture_of, shapes_of
from immich_aio.errors import BadCheckpointError
from tests.clip_golden import TINY, TINY_ARCHITECTURE

HEADS = {"ViT-B-16": 12, "ViT-L-14": 16, "ViT-L-14-336": 16, "ViT-H-14": 16, "RN50": 32}


@pytest.mark.parametrize("name", OFFICIAL)
def test_every_published_model_is_recognised(name: str) -> None:
    found = architecture_of(shapes_of(OFFICIAL[name]))
    assert found == OFFICIAL[name]
    assert found.official_name == name
    assert found.dimension == CN_CLIP_DIMENSIONS[name]
    assert found.vision.heads == HEADS[name]


def test_a_model_of_ones_own_is_recognised() -> None:
    found = architecture_of(open_checkpoint(TINY).shapes)
    assert found == TINY_ARCHITECTURE
    assert found.official_name is None


@pytest.mark.parametrize("name", ["ViT-B-16", "RN50"])
def test_tensors_that_are_not_needed_do_no_harm(name: str) -> None:
    shapes = {
        **shapes_of(OFFICIAL[name]),
        "bert.pooler.dense.weight": (768, 768),
        "logit_scale": (),
    }
    assert architecture_of(shapes) == OFFICIAL[name]


@pytest.mark.parametrize("name", ["ViT-B-16", "RN50"])
def test_a_tensor_that_is_missing_or_misshapen_is_named(name: str) -> None:
    shapes = shapes_of(OFFICIAL[name])
    for tensor in list(shapes)[::7]:
        without = {each: shape for each, shape in shapes.items() if each != tensor}
        with pytest.raises(BadCheckpointError, match="no Chinese-CLIP checkpoint"):
            architecture_of(without)
        misshapen = {**shapes, tensor: (*shapes[tensor][:-1], shapes[tensor][-1] + 1)}
        with pytest.raises(BadCheckpointError, match="no Chinese-CLIP checkpoint"):
            architecture_of(misshapen)


def test_the_message_says_what_is_wrong_with_which_tensor() -> None:
    shapes = {**shapes_of(OFFICIAL["ViT-B-16"]), "visual.ln_pre.weight": (5,)}
    expected = r"visual\.ln_pre\.weight has the shape \(5,\), where \(768,\) belongs"
    with pytest.raises(BadCheckpointError, match=expected):
        architecture_of(shapes)


def test_another_vocabulary_is_refused() -> None:
    words = "bert.embeddings.word_embeddings.weight"
    with pytest.raises(BadCheckpointError, match=words):
        architecture_of({**shapes_of(OFFICIAL["ViT-B-16"]), words: (30522, 768)})


def test_the_checkpoint_of_another_network_is_refused() -> None:
    with pytest.raises(BadCheckpointError, match="text_projection is missing"):
        architecture_of({"conv1.weight": (64, 3, 7, 7), "fc.weight": (1000, 512)})

"""Which of Immich's model names a Chinese-CLIP model may answer to."""

from __future__ import annotations

import pytest

from immich_aio.domain.clip_models import (
    CN_CLIP_DIMENSIONS,
    IMMICH_DIMENSIONS,
    STAND_INS,
    immich_dimension,
    mismatch,
)


@pytest.mark.parametrize(("model", "dimension"), CN_CLIP_DIMENSIONS.items())
def test_every_published_model_has_stand_ins_of_its_length(model: str, dimension: int) -> None:
    for name in STAND_INS[dimension]:
        assert immich_dimension(name) == dimension
        assert mismatch(name, model, dimension) is None


@pytest.mark.parametrize(
    "name", ["ViT-B-32__openai", "ViT-B-32::openai", "immich-app/ViT-B-32__openai"]
)
def test_every_spelling_of_a_name_is_known(name: str) -> None:
    assert immich_dimension(name) == 512


def test_the_names_are_those_of_immichs_list() -> None:
    assert len(IMMICH_DIMENSIONS) == 58
    assert set(IMMICH_DIMENSIONS.values()) == {512, 640, 768, 1024, 1152, 1536}


def test_a_mismatch_names_the_setting_and_what_to_choose() -> None:
    told = mismatch("ViT-L-14__openai", "ViT-B-16", 512)
    assert told is not None
    for part in ("ViT-L-14__openai", "768", "CLIP_MODEL=ViT-B-16", "512", "ViT-B-32__openai"):
        assert part in told
    assert "Smart Search → CLIP model" in told


def test_a_length_that_immich_does_not_have_is_said() -> None:
    assert "lists no model" in str(mismatch("ViT-B-32__openai", "own", 100))


def test_a_name_that_immich_does_not_list_is_not_refused() -> None:
    assert immich_dimension("something new") is None
    assert mismatch("something new", "ViT-B-16", 512) is None

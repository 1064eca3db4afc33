"""OCR is ours, CLIP is under the names we answer to, and everything else goes on."""

from __future__ import annotations

import pytest

from immich_aio.domain.tasks import ClipImageTask, ClipTextTask, FacesTask, OcrTask, Task
from immich_aio.services.gateway.routing import route

OURS = ("ViT-B-32__openai",)
FACES = FacesTask("buffalo_l")
CLIP: tuple[ClipImageTask | ClipTextTask, ...] = (
    ClipImageTask("ViT-B-32__openai"),
    ClipTextTask("ViT-B-32__openai", "zh-CN"),
)


@pytest.mark.parametrize("names", [(), OURS])
def test_ocr_alone_leaves_nothing_for_immichs_server(names: tuple[str, ...]) -> None:
    way = route([OcrTask("m")], names)
    assert (way.ocr, way.clip, way.immich) == (OcrTask("m"), None, ())


@pytest.mark.parametrize("clip", CLIP)
def test_clip_is_ours_under_the_names_we_answer_to(clip: ClipImageTask | ClipTextTask) -> None:
    way = route([clip], OURS)
    assert way.is_ours
    assert (way.ocr, way.clip, way.immich) == (None, clip, ())


@pytest.mark.parametrize("clip", CLIP)
@pytest.mark.parametrize("names", [(), ("ViT-L-14__openai",)])
def test_clip_under_other_names_goes_to_immichs_server(names: tuple[str, ...], clip: Task) -> None:
    way = route([clip, FACES], names)
    assert not way.is_ours
    assert way.immich == (clip, FACES)


@pytest.mark.parametrize("clip", CLIP)
def test_a_mixed_request_is_split_and_no_task_is_lost(clip: Task) -> None:
    way = route([FACES, clip, OcrTask("m")], OURS)
    assert (way.ocr, way.clip, way.immich) == (OcrTask("m"), clip, (FACES,))


def test_a_star_takes_every_name() -> None:
    assert route([ClipTextTask("anything")], ("*",)).clip == ClipTextTask("anything")


def test_faces_are_ours_only_where_they_are_said_to_be() -> None:
    assert route([FACES], ()).immich == (FACES,)
    way = route([FACES], (), faces_are_ours=True)
    assert way.is_ours
    assert (way.faces, way.immich) == (FACES, ())


def test_everything_at_once_leaves_nothing_for_immichs_server() -> None:
    way = route([FACES, CLIP[0], OcrTask("m")], OURS, faces_are_ours=True)
    assert (way.ocr, way.clip, way.faces, way.immich) == (OcrTask("m"), CLIP[0], FACES, ())

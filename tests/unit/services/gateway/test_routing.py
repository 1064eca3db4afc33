"""A request is divided so that no task is lost, and only where it must be."""

from __future__ import annotations

import pytest

from immich_aio.domain.routes import BackendSpec, RoutingTable, Rule
from immich_aio.domain.tasks import (
    ClipImageTask,
    ClipTextTask,
    FacesTask,
    OcrTask,
    OtherTask,
    Task,
)
from immich_aio.errors import UnavailableError, UnprocessableError
from immich_aio.services.gateway.routing import Unit, plan

OCR, FACES = OcrTask("m"), FacesTask("buffalo_l")
OURS, THEIRS = ClipImageTask("ViT-B-32__openai"), ClipImageTask("RN101__openai")
CAPTIONS = OtherTask("captions", '{"visual":{"modelName":"m"}}', "m")
ENGINE, IMMICH = (("engine",),), (("immich",),)
TABLE = RoutingTable(
    (BackendSpec("engine", "engine", clip_model="ViT-B-16"), BackendSpec("immich", "immich")),
    (Rule(ENGINE, "ocr"), Rule(ENGINE, "clip", models=("ViT-B-32__openai",)), Rule(IMMICH)),
)


@pytest.mark.parametrize("task", [OCR, OURS])
def test_what_the_engine_does_is_a_unit_of_its_own(task: Task) -> None:
    assert plan([task], TABLE) == (Unit((task,), ENGINE),)


@pytest.mark.parametrize("tasks", [(FACES,), (THEIRS,), (CAPTIONS,), (FACES, THEIRS, CAPTIONS)])
def test_what_is_all_immichs_goes_on_as_it_came(tasks: tuple[Task, ...]) -> None:
    assert plan(tasks, TABLE) == (Unit(tasks, IMMICH, whole=True),)


def test_a_mixed_request_is_divided_and_no_task_is_lost() -> None:
    units = plan([FACES, OURS, OCR, CAPTIONS], TABLE)
    assert units == (
        Unit((OURS,), ENGINE),
        Unit((OCR,), ENGINE),
        Unit((FACES, CAPTIONS), IMMICH),
    )


def test_everything_at_once_is_divided_with_nothing_left_for_immichs_server() -> None:
    engine = BackendSpec("engine", "engine", clip_model="ViT-B-16", face_pack="buffalo_l")
    table = RoutingTable((engine, *TABLE.backends[1:]), (Rule(ENGINE),))
    units = plan([FACES, OURS, OCR], table)
    assert units == tuple(Unit((task,), ENGINE) for task in (FACES, OURS, OCR))


def test_tasks_for_different_servers_of_immichs_protocol_are_divided() -> None:
    other = (("other",),)
    table = RoutingTable(
        (BackendSpec("immich", "immich"), BackendSpec("other", "immich")),
        (Rule(other, "facial-recognition"), Rule(IMMICH)),
    )
    units = plan([FACES, THEIRS, CAPTIONS], table)
    assert set(units) == {Unit((FACES,), other), Unit((THEIRS, CAPTIONS), IMMICH)}


def test_the_old_forks_ocr_is_asked_for_anew_because_no_server_knows_its_shape() -> None:
    table = RoutingTable((BackendSpec("immich", "immich"),), (Rule(IMMICH),))
    task = OcrTask("ocr", legacy=True)
    assert plan([task], table) == (Unit((task,), IMMICH, whole=False),)


@pytest.mark.parametrize(
    ("task", "error", "words"),
    [
        (OCR, UnavailableError, "MT_PHOTOS_API"),
        (FACES, UnavailableError, "IMMICH_API.*FACES_FROM=here"),
        (OURS, UnavailableError, "CLIP_MODEL"),
        (ClipTextTask("m"), UnavailableError, "IMMICH_API"),
        (CAPTIONS, UnprocessableError, "entries.captions"),
    ],
)
def test_where_nobody_does_a_task_the_remedy_is_named(
    task: Task, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        plan([task], RoutingTable())


def test_a_unit_says_in_words_what_it_is() -> None:
    assert Unit((OCR,), ENGINE).title == "OCR"
    assert Unit((FACES, THEIRS), IMMICH).title == "faces and CLIP of an image"

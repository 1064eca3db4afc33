"""The first rule counts that has a backend for the task, and nothing is answered by two models."""

from __future__ import annotations

import pytest

from immich_aio.domain.routes import BackendSpec, Mixture, RoutingTable, Rule, mixed_vectors
from immich_aio.domain.tasks import (
    ClipImageTask,
    ClipTextTask,
    FacesTask,
    OcrTask,
    OtherTask,
    Task,
)

NPU = BackendSpec("npu", "mt-photos", "http://npu:8060")
NAS = BackendSpec("nas", "mt-photos", "http://nas:8060", clip_model="ViT-B-16")
ENGINE = BackendSpec("engine", "engine", clip_model="ViT-L-14")
IMMICH = BackendSpec("immich", "immich", "http://immich:3003")
OCR, FACES, OTHER = OcrTask("m"), FacesTask("buffalo_l"), OtherTask("captions", "{}", "m")
IMAGE, TEXT = ClipImageTask("ViT-B-32__openai"), ClipTextTask("ViT-B-32__openai")
EVERY: tuple[Task, ...] = (OCR, FACES, OTHER, IMAGE, TEXT)


@pytest.mark.parametrize("task", EVERY)
def test_a_rule_without_conditions_is_about_everything(task: Task) -> None:
    assert Rule((("x",),)).matches(task)


@pytest.mark.parametrize(
    ("name", "tasks"),
    [
        ("ocr", {OCR}),
        ("clip", {IMAGE, TEXT}),
        ("facial-recognition", {FACES}),
        ("captions", {OTHER}),
        ("weather", set()),
    ],
)
def test_a_rule_of_a_task_is_about_no_other(name: str, tasks: set[Task]) -> None:
    assert {task for task in EVERY if Rule((("x",),), name).matches(task)} == tasks


def test_a_rule_of_a_type_tells_photos_from_queries() -> None:
    assert Rule((("x",),), "clip", "visual").matches(IMAGE)
    assert not Rule((("x",),), "clip", "visual").matches(TEXT)
    assert Rule((("x",),), "clip", "textual").matches(TEXT)


@pytest.mark.parametrize(
    ("patterns", "model", "fits"),
    [
        (("ViT-B-32__openai",), "ViT-B-32__openai", True),
        (("ViT-B-32::openai",), "ViT-B-32__openai", True),
        (("ViT-B-*",), "immich-app/ViT-B-32__openai", True),
        (("*",), "anything", True),
        (("ViT-L-14__openai", "ViT-B-*"), "ViT-B-16__openai", True),
        (("ViT-L-*",), "ViT-B-32__openai", False),
        (("vit-b-*",), "ViT-B-32__openai", False),
    ],
)
def test_models_are_told_by_patterns(
    patterns: tuple[str, ...], model: str, fits: bool
) -> None:  # a column of the table
    assert Rule((("x",),), "clip", models=patterns).matches(ClipTextTask(model)) is fits


def test_the_first_rule_that_has_anybody_for_the_task_counts() -> None:
    table = RoutingTable(
        (NPU, IMMICH), (Rule((("npu",),)), Rule((("npu", "immich"),)), Rule((("immich",),)))
    )
    assert table.order_of(OCR) == (("npu",),)
    assert table.order_of(FACES) == (("immich",),)


def test_who_cannot_do_a_task_is_passed_over_within_a_rule() -> None:
    table = RoutingTable((NPU, NAS, IMMICH), (Rule((("npu", "nas"), ("npu",), ("immich",))),))
    assert table.order_of(OCR) == (("npu", "nas"), ("npu",), ("immich",))
    assert table.order_of(TEXT) == (("nas",), ("immich",))
    assert table.order_of(OTHER) == (("immich",),)


def test_a_task_for_which_there_is_nobody_has_no_order() -> None:
    assert RoutingTable((NPU,), (Rule((("npu",),)),)).order_of(FACES) == ()
    assert RoutingTable().order_of(OCR) == ()


@pytest.mark.parametrize("others", [(NAS, IMMICH), (NAS, ENGINE), (ENGINE, IMMICH)])
@pytest.mark.parametrize("task", ["clip", "*"])
def test_vectors_of_different_models_are_never_mixed(
    others: tuple[BackendSpec, BackendSpec], task: str
) -> None:
    order = tuple((each.name,) for each in others)
    assert mixed_vectors(others, Rule(order, task)) == Mixture("clip", "clip-text", others)
    assert mixed_vectors(others, Rule(order, "ocr")) is None


def test_vectors_of_one_model_may_come_from_anywhere() -> None:
    twin = BackendSpec("twin", "engine", clip_model="ViT-B-16")
    assert mixed_vectors((NAS, twin, NPU), Rule((("nas", "npu"), ("twin",)), "clip")) is None


@pytest.mark.parametrize("task", ["facial-recognition", "*"])
def test_faces_of_different_packs_are_never_mixed(task: str) -> None:
    one = BackendSpec("one", "engine", face_pack="buffalo_l")
    other = BackendSpec("other", "mt-photos", face_pack="buffalo_s")
    rule = Rule((("one", "other"),), task)
    mixture = Mixture("facial-recognition", "faces", (one, other))
    assert mixed_vectors((one, other), rule) == mixture


def test_immichs_server_finds_faces_by_the_pack_that_is_asked_for_and_may_stand_in() -> None:
    ours = BackendSpec("ours", "engine", face_pack="buffalo_l")
    rule = Rule((("ours",), ("immich",)), "facial-recognition")
    assert mixed_vectors((ours, IMMICH), rule) is None


def test_faces_go_only_to_those_who_have_a_pack() -> None:
    with_pack = BackendSpec("with-pack", "mt-photos", face_pack="buffalo_l")
    rules = (Rule((("npu", "with-pack"), ("immich",))),)
    table = RoutingTable((NPU, with_pack, IMMICH), rules)
    assert table.order_of(FacesTask("buffalo_l")) == (("with-pack",), ("immich",))


def test_a_rule_reads_like_a_sentence() -> None:
    assert str(Rule((("npu", "nas"), ("immich",)), "ocr")) == "ocr → npu and nas, else immich"
    rule = Rule((("nas",),), "clip", "textual", ("ViT-B-*",))
    assert str(rule) == "clip textual (ViT-B-*) → nas"
    assert str(Rule((("immich",),))) == "everything else → immich"


def test_no_key_is_ever_shown() -> None:
    assert "hush" not in repr(BackendSpec("npu", "mt-photos", key="hush"))

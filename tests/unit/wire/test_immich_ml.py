"""Immich's protocol: what one side writes the other reads, and every refusal says where."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from immich_aio.domain.geometry import Quad, Rect
from immich_aio.domain.results import Embedding, Face, FacesResult, OcrResult, TextLine
from immich_aio.domain.tasks import (
    ClipImageTask,
    ClipTextTask,
    FacesTask,
    OcrOptions,
    OcrTask,
    OtherTask,
    Task,
)
from immich_aio.errors import InternalError, UnprocessableError, UpstreamError
from immich_aio.wire import immich_answers, immich_ml

# Time says nothing here: other work shares the processor.
promise = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# ---- What Immich sends and expects, word for word

CLIP_IMAGE = {"clip": {"visual": {"modelName": "ViT-B-32__openai"}}}
CLIP_TEXT = {"clip": {"textual": {"modelName": "XLM", "options": {"language": "zh-CN"}}}}
FACES = {
    "facial-recognition": {
        "detection": {"modelName": "buffalo_l", "options": {"minScore": 0.6}},
        "recognition": {"modelName": "buffalo_l"},
    }
}
OCR = {
    "ocr": {
        "detection": {
            "modelName": "PP-OCRv5_mobile",
            "options": {"minScore": 0.4, "maxResolution": 1000},
        },
        "recognition": {"modelName": "PP-OCRv5_mobile", "options": {"minScore": 0.9}},
    }
}
EVERYTHING = {**CLIP_IMAGE, **FACES, **OCR}

ALL_TASKS = [OcrTask("m"), FacesTask("m"), ClipImageTask("m"), ClipTextTask("m")]
GOOD_REPLY: dict[str, Any] = {
    "ocr": {"text": ["a"], "box": [0.1] * 8, "boxScore": [0.5], "textScore": [1]},
    "clip": "[0.5,-1]",
    "facial-recognition": [
        {
            "boundingBox": {"x1": 1, "y1": 2, "x2": 3, "y2": 4},
            "embedding": "[1,0]",
            "score": 0.9,
        }
    ],
    "imageHeight": 1080,
    "imageWidth": 1440,
}

# ---- Values to try

sizes = st.integers(1, 20_000)
scores = st.floats(0, 1)
corners = st.tuples(*[scores] * 8).map(Quad.from_flat)
float32s = st.floats(width=32, allow_nan=False, allow_infinity=False)
vectors = arrays.arrays(np.float32, st.integers(1, 40), elements=float32s)
models = st.text(min_size=1)
tasks = st.one_of(
    st.builds(OcrTask, models, st.builds(OcrOptions, scores, scores, st.integers(1, 10_000))),
    st.builds(FacesTask, models, scores),
    st.builds(ClipImageTask, models),
    st.builds(ClipTextTask, models, st.none() | st.text()),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@st.composite
def ocr_results(draw: st.DrawFn) -> OcrResult:
    width, height = draw(sizes), draw(sizes)
    quads = corners.map(lambda quad: quad.in_pixels(width, height))
    lines = draw(st.lists(st.builds(TextLine, st.text(), quads, scores, scores), max_size=5))
    return OcrResult(tuple(lines), width, height)


@st.composite
def faces_results(draw: st.DrawFn) -> FacesResult:
    near, far = st.floats(-100, 20_000), st.floats(0, 20_000)
    face = st.builds(
        Face, st.builds(Rect, near, near, far, far), scores, st.builds(Embedding, vectors)
    )
    return FacesResult(tuple(draw(st.lists(face, max_size=4))), draw(sizes), draw(sizes))


@st.composite
def nearly(draw: st.DrawFn, original: dict[str, Any]) -> bytes:
    """``original`` with anything at all in one place, as JSON."""
    changed = copy.deepcopy(original)
    here: Any = changed
    while True:
        step = draw(st.sampled_from(list(here) if isinstance(here, dict) else range(len(here))))
        if not isinstance(here[step], dict | list) or not here[step] or draw(st.booleans()):
            break
        here = here[step]
    here[step] = draw(anything)
    return json.dumps(changed).encode()


def wire(reply: object) -> bytes:
    return json.dumps(reply, ensure_ascii=False).encode()


def passed_on(result: OcrResult | FacesResult | Embedding) -> dict[str, object]:
    """Our reply that hands on what another server found."""
    match result:
        case OcrResult():
            return immich_answers.ocr_reply(result)
        case FacesResult():
            return immich_answers.faces_reply(result)
        case Embedding():
            return immich_answers.clip_reply(result)


def changed(original: dict[str, Any], path: str, value: object) -> bytes:
    """``original`` with ``value`` at ``path`` (``...`` takes the key away)."""
    result = copy.deepcopy(original)
    *way, last = path.split("/")
    here: Any = result
    for step in way:
        here = here[int(step) if isinstance(here, list) else step]
    if value is ...:
        del here[last]
    else:
        here[last] = value
    return json.dumps(result).encode()


# ---- As a server: entries


@pytest.mark.parametrize(
    ("entries", "task"),
    [
        (CLIP_IMAGE, ClipImageTask("ViT-B-32__openai")),
        (CLIP_TEXT, ClipTextTask("XLM", "zh-CN")),
        ({"clip": {"textual": {"modelName": "XLM", "options": {}}}}, ClipTextTask("XLM")),
        (FACES, FacesTask("buffalo_l", 0.6)),
        (OCR, OcrTask("PP-OCRv5_mobile", OcrOptions(0.4, 0.9, 1000))),
        ({"ocr": {"recognition": {"modelName": "ocr"}}}, OcrTask("ocr", legacy=True)),
    ],
)
def test_what_immich_sends_is_understood(entries: object, task: Task) -> None:
    assert immich_ml.parse_entries(json.dumps(entries)) == (task,)


def test_several_tasks_in_one_request_all_arrive_in_their_order() -> None:
    parsed = immich_ml.parse_entries(json.dumps(EVERYTHING))
    assert [type(task) for task in parsed] == [ClipImageTask, FacesTask, OcrTask]


@pytest.mark.parametrize("options", [{}, {"options": {}}, {"options": None}])
def test_missing_options_take_the_defaults(options: dict[str, object]) -> None:
    of_type = {"modelName": "m", **options}
    both = {"detection": of_type, "recognition": of_type}
    entries = {"ocr": both, "facial-recognition": both, "clip": {"textual": of_type}}
    assert immich_ml.parse_entries(json.dumps(entries)) == (
        OcrTask("m", OcrOptions()),
        FacesTask("m"),
        ClipTextTask("m"),
    )


@pytest.mark.parametrize("of_type", ["detection", "recognition"])
def test_faces_need_only_one_of_their_types(of_type: str) -> None:
    entries = {"facial-recognition": {of_type: {"modelName": "buffalo_l"}}}
    assert immich_ml.parse_entries(json.dumps(entries)) == (FacesTask("buffalo_l"),)


def test_a_task_of_another_version_is_taken_as_it_is_and_asked_for_as_it_came() -> None:
    types = {"visual": {"modelName": "m", "options": {"words": [1, 2.5, None]}}}
    (task,) = immich_ml.parse_entries(json.dumps({"captions": types}))
    assert isinstance(task, OtherTask)
    assert (task.name, task.model) == ("captions", "m")
    assert json.loads(immich_ml.entries_for([task])) == {"captions": types}


def test_unknown_keys_and_whole_floats_are_accepted() -> None:
    options = {"maxResolution": 736.0, "minScore": 1, "new": [1]}
    detection = {"modelName": "m", "options": options, "new": None}
    entries = {"ocr": {"detection": detection, "recognition": {"modelName": "m"}}}
    (task,) = immich_ml.parse_entries(json.dumps(entries))
    assert task == OcrTask("m", OcrOptions(1.0, 0.8, 736))
    assert isinstance(task, OcrTask)
    assert isinstance(task.options.max_resolution, int)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("clip", {}),
        ("clip", []),
        ("clip/visual", None),
        ("clip/visual/modelName", ...),
        ("clip/visual/modelName", ""),
        ("clip/visual/modelName", 7),
        ("clip/visual/modelName", "\ud800"),
        ("clip/vocal", {"modelName": "m"}),
        ("captions", {}),
        ("captions", ["visual"]),
        ("facial-recognition/detection/options/minScore", 1.1),
        ("facial-recognition/detection/options/minScore", "0.5"),
        ("facial-recognition/detection/options", [0.5]),
        ("ocr/recognition", ...),
        ("ocr/detection/modelName", ...),
        ("ocr/recognition/modelName", None),
        ("ocr/detection/options/minScore", -0.1),
        ("ocr/detection/options/minScore", True),
        ("ocr/recognition/options/minScore", 2),
        ("ocr/detection/options/maxResolution", 0),
        ("ocr/detection/options/maxResolution", 736.5),
        ("ocr/detection/options/maxResolution", "736"),
        ("ocr/detection/options/maxResolution", 10**400),
    ],
)
def test_a_refusal_names_the_path_of_the_fault(path: str, value: object) -> None:
    with pytest.raises(UnprocessableError) as caught:
        immich_ml.parse_entries(changed(EVERYTHING, path, value))
    assert caught.value.message.startswith(f"entries.{path.replace('/', '.')}: ")


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "{}",
        "[]",
        "null",
        "not JSON",
        b"\xff\x00",
        "[" * 100_000,
        '{"clip":' * 100_000,
        '{"ocr":{"recognition":{"modelName":"m","options":{"minScore":NaN}}}}',
        '{"ocr":{"recognition":{"modelName":"m","options":{"minScore":1e999}}}}',
        '{"ocr":{"recognition":{"modelName":"m","ignored":NaN}}}',
        '{"ocr":{"recognition":{"modelName":"m","ignored":' + "9" * 5000 + "}}}",
    ],
    ids=lambda raw: repr(raw[:60]),
)
def test_what_is_no_object_of_tasks_is_refused(raw: str | bytes) -> None:
    with pytest.raises(UnprocessableError, match=r"^entries"):
        immich_ml.parse_entries(raw)


def test_two_vectors_for_one_place_in_the_reply_are_refused() -> None:
    both = {"clip": {**CLIP_IMAGE["clip"], "textual": {"modelName": "ViT-B-32__openai"}}}
    with pytest.raises(UnprocessableError, match=r"^entries\.clip: .*one by one"):
        immich_ml.parse_entries(json.dumps(both))


def test_two_models_for_one_task_are_refused_rather_than_one_of_them_ignored() -> None:
    entries = changed(EVERYTHING, "ocr/detection/modelName", "another")
    with pytest.raises(UnprocessableError, match=r"^entries\.ocr: .*one model"):
        immich_ml.parse_entries(entries)


@promise
@given(st.binary() | st.text() | anything.map(json.dumps) | nearly(EVERYTHING))
def test_any_entries_give_tasks_or_a_refusal_that_can_be_told(raw: str | bytes) -> None:
    try:
        told = immich_ml.entries_for(immich_ml.parse_entries(raw))
    except UnprocessableError as error:
        told = error.message
    assert told.encode().startswith((b"{", b"entries"))


# ---- As a client: entries


@promise
@given(st.lists(tasks, min_size=1, max_size=3, unique_by=lambda task: type(task).__name__[:4]))
def test_what_we_ask_is_read_as_it_was_meant(asked: list[Task]) -> None:
    assert immich_ml.parse_entries(immich_ml.entries_for(asked)) == tuple(asked)


@pytest.mark.parametrize("entries", [CLIP_IMAGE, CLIP_TEXT, FACES, OCR, EVERYTHING])
def test_we_ask_word_for_word_as_immich_does(entries: object) -> None:
    parsed = immich_ml.parse_entries(json.dumps(entries))
    assert json.loads(immich_ml.entries_for(parsed)) == entries


def test_a_legacy_caller_is_served_from_a_request_in_immichs_own_form() -> None:
    assert immich_ml.entries_for([OcrTask("m", legacy=True)]) == immich_ml.entries_for(
        [OcrTask("m")]
    )


def test_tasks_that_share_one_place_cannot_be_asked_together() -> None:
    with pytest.raises(InternalError, match="clip"):
        immich_ml.entries_for([ClipImageTask("m"), ClipTextTask("m")])


# ---- Replies, word for word


def test_the_ocr_reply_is_immichs() -> None:
    line = TextLine("发票", Rect(144, 108, 720, 54).quad, 0.75, 0.5)
    reply = immich_answers.ocr_reply(OcrResult((line,), 1440, 1080))
    assert reply == {
        "ocr": {
            "text": ["发票"],
            "box": pytest.approx([0.1, 0.1, 0.6, 0.1, 0.6, 0.15, 0.1, 0.15]),
            "boxScore": [0.75],
            "textScore": [0.5],
        },
        "imageHeight": 1080,
        "imageWidth": 1440,
    }


def test_the_legacy_ocr_reply_is_the_old_forks() -> None:
    tilted = Quad(((10, 22), (50, 20), (52, 30), (12, 32)))
    lines = (TextLine("电子", tilted, 0.75, 0.5), TextLine("发票", tilted, 0.75, 0.25))
    assert immich_answers.legacy_ocr_reply(OcrResult(lines, 1440, 1080)) == {
        "ocr": "电子 发票",
        "result": {
            "texts": ["电子", "发票"],
            "scores": [0.5, 0.25],
            "boxes": [{"x1": 10, "y1": 20, "x2": 52, "y2": 32}] * 2,
        },
        "imageHeight": 1080,
        "imageWidth": 1440,
    }


def test_the_clip_reply_is_an_array_in_a_string_and_of_an_image_has_its_size() -> None:
    vector = np.array([0.1, -2.5, 1e-8], dtype=np.float32)
    assert immich_answers.clip_reply(Embedding(vector)) == {"clip": "[0.1,-2.5,1e-08]"}
    assert immich_answers.clip_reply(Embedding(vector, 1440, 1080)) == {
        "clip": "[0.1,-2.5,1e-08]",
        "imageHeight": 1080,
        "imageWidth": 1440,
    }


def test_the_faces_reply_has_boxes_in_whole_pixels() -> None:
    """Immich's columns for them are of integers."""
    embedding = Embedding(np.array([1, 0], dtype=np.float32))
    face = Face(Rect(10.4, 19.6, 30, 40), 0.875, embedding)
    assert immich_answers.faces_reply(FacesResult((face,), 1440, 1080)) == {
        "facial-recognition": [
            {
                "boundingBox": {"x1": 10, "y1": 20, "x2": 40, "y2": 60},
                "embedding": "[1.0,0.0]",
                "score": 0.875,
            }
        ],
        "imageHeight": 1080,
        "imageWidth": 1440,
    }


@pytest.mark.parametrize("vector", [[], [math.nan], [1, math.inf]])
def test_a_vector_of_no_use_is_never_sent(vector: list[float]) -> None:
    embedding = Embedding(np.array(vector, dtype=np.float32))
    face = Face(Rect(0, 0, 1, 1), 1.0, embedding)
    with pytest.raises(InternalError):
        immich_answers.clip_reply(embedding)
    with pytest.raises(InternalError):
        immich_answers.faces_reply(FacesResult((face,), 9, 9))


def test_a_vector_of_512_numbers_is_written_in_less_than_7_kilobytes() -> None:
    vector = np.random.default_rng(0).normal(size=512).astype(np.float32)
    text = immich_answers.clip_reply(Embedding(vector / np.linalg.norm(vector)))["clip"]
    assert isinstance(text, str)
    assert len(text) < 7000


# ---- Several answers in one reply


def test_merging_keeps_every_answer_and_one_size() -> None:
    size = {"imageHeight": 9, "imageWidth": 8}
    merged = immich_answers.merge_replies([{"clip": "[1]", **size}, {"ocr": {}, **size}])
    assert merged == {"clip": "[1]", "ocr": {}, **size}
    assert immich_answers.merge_replies([]) == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"imageWidth": 8}, {"imageWidth": 9}),
        ({"clip": "[1]"}, {"clip": "[2]"}),
        ({"clip": "[1]"}, {"clip": "[1]"}),
    ],
)
def test_answers_that_contradict_each_other_are_never_merged(
    one: dict[str, object], other: dict[str, object]
) -> None:
    with pytest.raises(UpstreamError):
        immich_answers.merge_replies([one, other])


# ---- What one side writes the other reads


@promise
@given(ocr_results())
def test_ocr_survives_the_wire_with_boxes_normalised_on_it(result: OcrResult) -> None:
    reply = json.loads(wire(immich_answers.ocr_reply(result)))
    assert all(0 <= number <= 1 for number in reply["ocr"]["box"])
    assert len(reply["ocr"]["box"]) == 8 * len(result.lines)
    parsed = immich_answers.parse_reply(wire(reply), OcrTask("m"))
    assert isinstance(parsed, OcrResult)
    assert (parsed.width, parsed.height) == (result.width, result.height)
    for now, was in zip(parsed.lines, result.lines, strict=True):
        assert (now.text, now.box_score, now.text_score) == (
            was.text,
            was.box_score,
            was.text_score,
        )
        assert now.corners.flat == pytest.approx(was.corners.flat, abs=1e-9)


@promise
@given(vectors, sizes, sizes)
def test_a_vector_survives_the_wire_to_the_last_bit(
    vector: np.ndarray, width: int, height: int
) -> None:
    of_image = Embedding(vector, width, height)
    body = wire(immich_answers.clip_reply(of_image))
    parsed = immich_answers.parse_reply(body, ClipImageTask("m"))
    assert isinstance(parsed, Embedding)
    assert parsed == of_image
    assert parsed.vector.tobytes() == vector.tobytes()
    assert immich_answers.parse_reply(body, ClipTextTask("m")) == Embedding(vector)


@promise
@given(faces_results())
def test_faces_survive_the_wire(result: FacesResult) -> None:
    parsed = immich_answers.parse_reply(wire(immich_answers.faces_reply(result)), FacesTask("m"))
    assert isinstance(parsed, FacesResult)
    assert (parsed.width, parsed.height) == (result.width, result.height)
    for now, was in zip(parsed.faces, result.faces, strict=True):
        assert (now.score, now.embedding) == (was.score, was.embedding)
        assert now.box.corner_pair == pytest.approx(was.box.corner_pair, abs=0.5 + 1e-9)


# ---- Another server's nonsense


def test_each_task_finds_its_own_answer_in_a_merged_reply() -> None:
    body = wire(GOOD_REPLY)
    results = [immich_answers.parse_reply(body, task) for task in ALL_TASKS]
    assert [type(result) for result in results] == [OcrResult, FacesResult, Embedding, Embedding]


def test_an_image_without_text_or_faces_is_an_empty_result() -> None:
    none: dict[str, object] = {"text": [], "box": [], "boxScore": [], "textScore": []}
    body = wire({"ocr": none, "facial-recognition": [], "imageHeight": 9, "imageWidth": 8})
    assert immich_answers.parse_reply(body, OcrTask("m")) == OcrResult((), 8, 9)
    assert immich_answers.parse_reply(body, FacesTask("m")) == FacesResult((), 8, 9)


def test_a_clip_reply_without_the_image_size_is_still_a_vector() -> None:
    parsed = immich_answers.parse_reply(b'{"clip":"[1]"}', ClipImageTask("m"))
    assert parsed == Embedding(np.array([1], dtype=np.float32))


def test_a_box_a_little_over_the_edge_is_moved_into_the_image() -> None:
    body = changed(GOOD_REPLY, "ocr/box", [-0.02, 0, 1.02, 0, 1, 1.05, 0, 1])
    parsed = immich_answers.parse_reply(body, OcrTask("m"))
    assert isinstance(parsed, OcrResult)
    assert parsed.lines[0].corners == Rect(0, 0, 1440, 1080).quad


@pytest.mark.parametrize(
    ("task", "path", "value"),
    [
        (OcrTask("m"), "ocr", ...),
        (OcrTask("m"), "ocr", "all the text"),
        (OcrTask("m"), "ocr/text", ["a", "b"]),
        (OcrTask("m"), "ocr/text", [1]),
        (OcrTask("m"), "ocr/text", ["\ud800"]),
        (OcrTask("m"), "ocr/box", [0.1] * 7),
        (OcrTask("m"), "ocr/box", [0.1] * 9),
        (OcrTask("m"), "ocr/box", [0.1] * 16),
        (OcrTask("m"), "ocr/box", [0.1] * 7 + [None]),
        (OcrTask("m"), "ocr/box", [100.0] * 8),
        (OcrTask("m"), "ocr/boxScore", []),
        (OcrTask("m"), "ocr/boxScore", [math.nan]),
        (OcrTask("m"), "ocr/textScore", ...),
        (OcrTask("m"), "ocr/textScore", ["0.5"]),
        (OcrTask("m"), "imageWidth", ...),
        (OcrTask("m"), "imageHeight", 0),
        (FacesTask("m"), "facial-recognition", {}),
        (FacesTask("m"), "facial-recognition/0/embedding", [1, 0]),
        (FacesTask("m"), "facial-recognition/0/score", ...),
        (FacesTask("m"), "facial-recognition/0/boundingBox/x2", 0),
        (FacesTask("m"), "facial-recognition/0/boundingBox/y1", math.inf),
        (FacesTask("m"), "imageHeight", "1080"),
        (ClipImageTask("m"), "clip", ...),
        (ClipImageTask("m"), "clip", [0.5, -1]),
        (ClipImageTask("m"), "clip", "[]"),
        (ClipImageTask("m"), "clip", "{}"),
        (ClipImageTask("m"), "clip", "0.5,-1"),
        (ClipImageTask("m"), "clip", "[[0.5]]"),
        (ClipImageTask("m"), "clip", '["0.5"]'),
        (ClipImageTask("m"), "clip", "[true]"),
        (ClipImageTask("m"), "clip", "[NaN]"),
        (ClipImageTask("m"), "clip", "[1e999]"),
        (ClipImageTask("m"), "clip", "[1e39]"),
        (ClipImageTask("m"), "clip", f"[1{'0' * 400}]"),
        (ClipImageTask("m"), "imageWidth", -1),
        (ClipTextTask("m"), "clip", "[]"),
    ],
)
def test_a_reply_that_is_not_the_protocol_is_an_upstream_error(
    task: Task, path: str, value: object
) -> None:
    assert immich_answers.parse_reply(wire(GOOD_REPLY), task)
    with pytest.raises(UpstreamError, match=r"^reply"):
        immich_answers.parse_reply(changed(GOOD_REPLY, path, value), task)


@pytest.mark.parametrize("task", ALL_TASKS)
@pytest.mark.parametrize(
    "body", [b"", b"pong", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"clip":' * 100_000]
)
def test_hostile_bytes_are_an_upstream_error(task: Task, body: bytes) -> None:
    with pytest.raises(UpstreamError, match=r"^reply"):
        immich_answers.parse_reply(body, task)


@pytest.mark.parametrize("task", ALL_TASKS)
@promise
@given(body=st.binary() | anything.map(wire) | nearly(GOOD_REPLY))
def test_any_bytes_give_a_result_or_an_upstream_error_that_can_be_told(
    task: Task, body: bytes
) -> None:
    try:
        told = wire(passed_on(immich_answers.parse_reply(body, task)))
    except UpstreamError as error:
        told = error.message.encode()
    assert told.startswith((b"{", b"reply"))

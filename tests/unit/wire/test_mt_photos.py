"""The MT-Photos protocol: what one side writes the other reads, and a failure is never a result."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from immich_aio.domain.geometry import Quad, Rect
from immich_aio.domain.results import Embedding, Face, FacesResult, OcrResult, TextLine
from immich_aio.errors import InternalError, UpstreamError
from immich_aio.wire import mt_photos
from immich_aio.wire.mt_photos import ServerCheck

# Time says nothing here: other work shares the processor.
promise = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
WIDTH, HEIGHT = 1440, 1080

scores = st.floats(0, 1)
quads = st.tuples(*[st.floats(0, WIDTH), st.floats(0, HEIGHT)] * 4).map(Quad.from_flat)
lines = st.builds(TextLine, st.text(), quads, scores, scores)
ocr_results = st.builds(
    OcrResult, st.lists(lines, max_size=5).map(tuple), st.just(WIDTH), st.just(HEIGHT)
)
vectors = arrays.arrays(
    np.float32, st.integers(1, 40), elements=st.floats(-64, 64, width=32, allow_subnormal=False)
)
embeddings = st.builds(Embedding, vectors)
rects = st.builds(Rect, st.floats(-50, 2000), st.floats(-50, 2000), *[st.floats(0, 900)] * 2)
faces_results = st.builds(
    FacesResult,
    st.lists(st.builds(Face, rects, scores, embeddings), max_size=4).map(tuple),
    st.just(WIDTH),
    st.just(HEIGHT),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("0.5"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
GOOD_OCR: dict[str, Any] = {
    "result": {
        "texts": ["a"],
        "scores": ["0.5"],
        "boxes": [{"x": "1", "y": "2", "width": "3", "height": "4"}],
    }
}
GOOD_CLIP: dict[str, Any] = {"result": ["0.5", "-1"]}
GOOD_FACES: dict[str, Any] = {
    "result": [
        {
            "embedding": [1, 0],
            "facial_area": {"x": 1, "y": 2, "w": 3, "h": 4},
            "face_confidence": 0.9,
        }
    ]
}


@st.composite
def nearly(draw: st.DrawFn) -> bytes:
    """A good reply with anything at all in one place."""
    changed = copy.deepcopy(draw(st.sampled_from([GOOD_OCR, GOOD_CLIP, GOOD_FACES])))
    here: Any = changed
    while True:
        step = draw(st.sampled_from(list(here) if isinstance(here, dict) else range(len(here))))
        if not isinstance(here[step], dict | list) or draw(st.booleans()):
            break
        here = here[step]
    here[step] = draw(anything)
    return json.dumps(changed).encode()


Parser = Callable[[bytes], object]
PARSERS: list[Parser] = [
    lambda body: mt_photos.parse_ocr(body, WIDTH, HEIGHT),
    mt_photos.parse_clip,
    lambda body: mt_photos.parse_represent(body, WIDTH, HEIGHT),
    mt_photos.parse_check,
]
IDS = ["ocr", "clip", "represent", "check"]


def wire(reply: object) -> bytes:
    return json.dumps(reply, ensure_ascii=False).encode()


# ---- What one side writes the other reads


@promise
@given(ocr_results)
def test_ocr_survives_but_for_tilt_and_box_score(result: OcrResult) -> None:
    parsed = mt_photos.parse_ocr(wire(mt_photos.ocr_reply(result)), WIDTH, HEIGHT)
    assert (parsed.width, parsed.height) == (WIDTH, HEIGHT)
    assert [line.text for line in parsed.lines] == [line.text for line in result.lines]
    for now, was in zip(parsed.lines, result.lines, strict=True):
        assert now.text_score == now.box_score == was.text_score
        assert now.corners.flat == pytest.approx(was.corners.bounds.quad.flat, abs=1e-9)


@promise
@given(embeddings)
def test_a_vector_survives_to_the_sixteenth_decimal(embedding: Embedding) -> None:
    parsed = mt_photos.parse_clip(wire(mt_photos.clip_reply(embedding)))
    assert parsed.vector.dtype == np.float32
    np.testing.assert_allclose(parsed.vector, embedding.vector, rtol=0, atol=1e-16)


@promise
@given(faces_results)
def test_faces_survive_with_boxes_to_the_pixel(result: FacesResult) -> None:
    body = wire(mt_photos.faces_reply(result, "buffalo_l"))
    parsed = mt_photos.parse_represent(body, WIDTH, HEIGHT)
    assert (parsed.width, parsed.height) == (WIDTH, HEIGHT)
    for now, was in zip(parsed.faces, result.faces, strict=True):
        assert (now.score, now.embedding) == (was.score, was.embedding)
        assert now.box.corner_pair == pytest.approx(was.box.corner_pair, abs=0.5 + 1e-9)


def test_a_check_survives() -> None:
    body = wire(mt_photos.check_reply("cpu", title="My server"))
    assert mt_photos.parse_check(body) == ServerCheck(title="My server", device="cpu")


# ---- The exact bodies


def test_the_ocr_reply_has_numbers_as_strings_and_upright_boxes() -> None:
    tilted = Quad(((4.0, 9.0), (285.0, 7.0), (287.0, 26.0), (6.0, 28.0)))
    result = OcrResult((TextLine("发票", tilted, 0.5, 0.98),), WIDTH, HEIGHT)
    assert mt_photos.ocr_reply(result) == {
        "result": {
            "texts": ["发票"],
            "scores": ["0.98"],
            "boxes": [{"x": "4.0", "y": "7.0", "width": "283.0", "height": "21.0"}],
        }
    }


def test_the_clip_reply_has_strings_of_16_decimals_under_result() -> None:
    vector = np.array([0.5, -0.25, 2.0**-20], dtype=np.float32)
    assert mt_photos.clip_reply(Embedding(vector)) == {
        "result": ["0.5000000000000000", "-0.2500000000000000", "0.0000009536743164"]
    }


def test_the_faces_reply_has_whole_pixels_and_names_the_model() -> None:
    face = Face(Rect(10.4, 20.6, 30.0, 40.0), 0.875, Embedding(np.array([1, 0], np.float32)))
    assert mt_photos.faces_reply(FacesResult((face,), WIDTH, HEIGHT), "buffalo_l") == {
        "detector_backend": "insightface",
        "recognition_model": "buffalo_l",
        "result": [
            {
                "embedding": [1.0, 0.0],
                "facial_area": {"x": 10, "y": 21, "w": 30, "h": 40},
                "face_confidence": 0.875,
            }
        ],
    }


def test_the_checks_say_pass_and_which_model() -> None:
    assert mt_photos.check_reply("cpu", title="T", help_url="H") == {
        "result": "pass",
        "title": "T",
        "help": "H",
        "device": "cpu",
    }
    assert mt_photos.face_check_reply("buffalo_l", title="T", link="L") == {
        "title": "T",
        "link": "L",
        "detector_backend": "insightface",
        "recognition_model": "buffalo_l",
    }


@pytest.mark.parametrize("vector", [[], [np.nan], [1, np.inf]])
def test_a_vector_of_no_use_is_never_sent(vector: list[float]) -> None:
    embedding = Embedding(np.array(vector, dtype=np.float32))
    face = Face(Rect(0, 0, 1, 1), 1.0, embedding)
    with pytest.raises(InternalError):
        mt_photos.clip_reply(embedding)
    with pytest.raises(InternalError):
        mt_photos.faces_reply(FacesResult((face,), WIDTH, HEIGHT), "buffalo_l")


# ---- What servers in the wild send


@pytest.mark.parametrize("as_sent", [str, float])
def test_ocr_numbers_may_be_strings_or_numbers(as_sent: type) -> None:
    box = {"x": 4.0, "y": 7.0, "width": 283.0, "height": 21.0}
    boxes = [{side: as_sent(number) for side, number in box.items()}]
    body = wire({"result": {"texts": ["飞机"], "scores": [as_sent(0.98)], "boxes": boxes}})
    corners = Quad(((4, 7), (287, 7), (287, 28), (4, 28)))
    assert mt_photos.parse_ocr(body, WIDTH, HEIGHT) == OcrResult(
        (TextLine("飞机", corners, 0.98, 0.98),), WIDTH, HEIGHT
    )


@pytest.mark.parametrize("key", ["result", "results"])
@pytest.mark.parametrize("values", [["0.1234567890123456", "-1"], [0.1234567890123456, -1]])
def test_a_vector_may_stand_under_either_name_as_strings_or_numbers(
    key: str, values: list[object]
) -> None:
    expected = Embedding(np.array([0.12345679, -1], dtype=np.float32))
    assert mt_photos.parse_clip(wire({key: values})) == expected


def test_a_box_that_reaches_out_of_the_image_is_moved_into_it() -> None:
    box = {"x": -5, "y": 1000, "width": 2000, "height": 100}
    body = wire({"result": {"texts": ["x"], "scores": [1], "boxes": [box]}})
    corners = mt_photos.parse_ocr(body, WIDTH, HEIGHT).lines[0].corners
    assert corners.bounds == Rect(0, 1000, 1440, 80)


def test_an_image_without_text_is_an_empty_result() -> None:
    body = b'{"result":{"texts":[],"scores":[],"boxes":[]}}'
    assert mt_photos.parse_ocr(body, WIDTH, HEIGHT) == OcrResult((), WIDTH, HEIGHT)


def test_an_image_without_faces_is_an_empty_result() -> None:
    body = b'{"detector_backend":"insightface","recognition_model":"buffalo_l","result":[]}'
    assert mt_photos.parse_represent(body, 9, 8) == FacesResult((), 9, 8)


def test_a_check_needs_nothing_but_its_result() -> None:
    assert mt_photos.parse_check(b'{"result":"pass"}') == ServerCheck()


# ---- A failure is never a result


@pytest.mark.parametrize("parse", PARSERS, ids=IDS)
def test_a_failure_is_raised_with_the_servers_own_words(parse: Parser) -> None:
    body = wire(mt_photos.failure("CUDA out of memory"))
    assert json.loads(body) == {"result": [], "msg": "CUDA out of memory"}
    with pytest.raises(UpstreamError, match="CUDA out of memory"):
        parse(body)


def test_a_failure_without_words_is_still_no_list_of_faces() -> None:
    with pytest.raises(UpstreamError):
        mt_photos.parse_represent(b'{"result":[],"msg":""}', WIDTH, HEIGHT)


@pytest.mark.parametrize("body", [b'{"result":[]}', b'{"result":null}', b"{}", b"[]", b"pong"])
def test_an_empty_reply_is_neither_a_text_nor_a_vector_nor_a_check(body: bytes) -> None:
    for parse in (PARSERS[0], PARSERS[1], PARSERS[3]):
        with pytest.raises(UpstreamError):
            parse(body)


@pytest.mark.parametrize(
    "values",
    [["nan"], [float("inf")], ["1e39"], [10**400], ["one"], [True], [None], [[0.5]], {"0": 1}, "1"],
)
def test_a_vector_that_is_no_float32_is_refused(values: object) -> None:
    with pytest.raises(UpstreamError):
        mt_photos.parse_clip(wire({"result": values}))


@pytest.mark.parametrize(
    "change",
    [
        {"texts": ["a", "b"]},
        {"texts": [1]},
        {"texts": ["\ud800"]},
        {"scores": []},
        {"scores": ["high"]},
        {"scores": ["1.5"]},
        {"boxes": [[1, 2, 3, 4]]},
        {"boxes": [{"x": 1, "y": 2, "width": 3}]},
        {"boxes": [{"x": 1, "y": 2, "width": -3, "height": 4}]},
        {"boxes": None},
    ],
)
def test_ocr_that_does_not_add_up_is_refused(change: dict[str, object]) -> None:
    assert mt_photos.parse_ocr(wire(GOOD_OCR), 9, 9).text == "a"
    with pytest.raises(UpstreamError):
        mt_photos.parse_ocr(json.dumps({"result": GOOD_OCR["result"] | change}).encode(), 9, 9)


@pytest.mark.parametrize(
    "change",
    [
        {"embedding": []},
        {"embedding": None},
        {"embedding": ["nan"]},
        {"facial_area": [1, 2, 3, 4]},
        {"facial_area": {"x": 1, "y": 2, "w": -3, "h": 4}},
        {"face_confidence": None},
    ],
)
def test_a_face_that_does_not_add_up_is_refused(change: dict[str, object]) -> None:
    assert mt_photos.parse_represent(wire(GOOD_FACES), 9, 9).faces[0].score == 0.9
    with pytest.raises(UpstreamError):
        mt_photos.parse_represent(wire({"result": [GOOD_FACES["result"][0] | change]}), 9, 9)


@promise
@given(body=st.binary() | anything.map(json.dumps).map(str.encode) | nearly())
@pytest.mark.parametrize("parse", PARSERS, ids=IDS)
def test_any_bytes_give_a_value_or_an_upstream_error_that_can_be_told(
    parse: Parser, body: bytes
) -> None:
    try:
        told = repr(parse(body))
    except UpstreamError as error:
        told = error.message
    known = ("OcrResult(", "Embedding(", "FacesResult(", "ServerCheck(", "The MT-Photos server")
    assert told.encode().startswith(tuple(word.encode() for word in known))


@pytest.mark.parametrize("parse", PARSERS, ids=IDS)
@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"result":' * 100_000, b'{"result":[],"msg":"\\ud800"}', b"\xff\xfe"]
)
def test_hostile_bytes_are_an_upstream_error(parse: Parser, body: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        parse(body)
    assert caught.value.message.encode()

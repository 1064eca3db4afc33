"""Bodies are refused in Immich's words: those that zod gives to its schemas, kept in a file."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from immich_aio.domain.asset_search import UNSET
from immich_aio.domain.immich import Order, Shape, Visibility
from immich_aio.wire.immich_api.errors import ImmichHttpError, error_body, failed_handler
from immich_aio.wire.immich_api.search import parse_metadata, parse_smart, search_reply
from immich_aio.wire.immich_api.validation import BodyReader, read_json_body

ZOD = json.loads(
    (Path(__file__).parents[3] / "data" / "immich" / "validation.json").read_text("utf-8")
)
"""Bodies, and the issues that zod 4.3.6, Immich 3.1's, gives to its schemas."""
PARSERS = {"smart": parse_smart, "metadata": parse_metadata}
CASES = [(path, case["body"], case["issues"]) for path in PARSERS for case in ZOD[path]]


def refusal(path: str, body: object, shape: Shape = Shape.V3_1) -> ImmichHttpError:
    with pytest.raises(ImmichHttpError) as raised:
        PARSERS[path](body, shape)
    return raised.value


@pytest.mark.parametrize(("path", "body", "issues"), CASES, ids=lambda value: str(value)[:40])
def test_faults_are_told_as_zod_tells_them(
    path: str, body: object, issues: list[dict[str, Any]]
) -> None:
    found = [issue.zod for issue in refusal(path, body).issues]
    assert found == issues
    assert [list(issue) for issue in found] == [list(issue) for issue in issues]  # also their order


def test_a_reply_to_faults_has_nothing_else() -> None:
    body = error_body(refusal("smart", {"size": 0}), Shape.V3_1, "id")
    assert body.keys() == {"message", "errors"}
    assert body["message"] == "Validation failed"


OLD = [
    ({"size": 0}, ["size must not be less than 1"]),
    ({"size": 1001}, ["size must not be greater than 1000"]),
    ({"size": 1.5}, ["size must be an integer number"]),
    ({"query": 1}, ["query must be a string"]),
    ({"isFavorite": "maybe"}, ["isFavorite must be a boolean value"]),
    ({"type": "x"}, ["type must be one of the following values: IMAGE, VIDEO, AUDIO, OTHER"]),
    ({"libraryId": "x"}, ["libraryId must be a UUID"]),
    ({"personIds": ["x"]}, ["each value in personIds must be a UUID"]),
    ({"personIds": "x"}, ["personIds must be an array"]),
]


@pytest.mark.parametrize(("body", "words"), OLD, ids=str)
def test_2_2_tells_faults_in_words(body: object, words: list[str]) -> None:
    error = refusal("smart", body, Shape.V2_2)
    assert error_body(error, Shape.V2_2, "id") == {
        "message": words,
        "error": "Bad Request",
        "statusCode": 400,
        "correlationId": "id",
    }


def test_2_2_stops_at_the_first_wrong_date() -> None:
    error = refusal("smart", {"size": 0, "takenBefore": "yesterday"}, Shape.V2_2)
    assert error.message == "takenBefore must be a date string"


def test_2_2_takes_words_and_figures_for_flags_and_numbers() -> None:
    search = parse_smart({"query": "x", "size": "7", "isFavorite": "true"}, Shape.V2_2)
    assert (search.size, search.filters.is_favorite) == (7, True)
    assert refusal("smart", {"size": "7"}).issues


# ---- What is read


def test_what_is_missing_is_told_from_what_is_null() -> None:
    missing = parse_smart({}, Shape.V3_1).filters
    null = parse_smart({"city": None, "rating": None, "tagIds": None}, Shape.V3_1).filters
    assert (missing.city, missing.rating, missing.tag_ids) == (UNSET, UNSET, ())
    assert (null.city, null.rating, null.tag_ids) == (None, None, None)


def test_the_defaults_are_immichs() -> None:
    smart, metadata = parse_smart({}, Shape.V3_1), parse_metadata({}, Shape.V3_1)
    assert (smart.size, smart.page, smart.with_exif, smart.query) == (100, 1, False, None)
    assert (metadata.size, metadata.page, metadata.order) == (250, 1, Order.DESC)


def test_a_search_of_the_web_is_read() -> None:
    body = {"visibility": "timeline", "page": 2, "query": " 发票 ", "language": "zh-CN"}
    search = parse_smart(body, Shape.V3_1)
    assert (search.query, search.language, search.page) == ("发票", "zh-CN", 2)
    assert search.filters.visibility is Visibility.TIMELINE


def test_moments_are_cut_to_milliseconds_as_javascript_does() -> None:
    body = {"takenAfter": "2026-05-01T12:00:00.987654321+02:00"}
    moment = parse_smart(body, Shape.V3_1).filters.taken_after
    assert str(moment) == "2026-05-01 10:00:00.987000+00:00"


@given(st.uuids(version=4))
@example(UUID("00000000-0000-4000-8000-000000000000"))
def test_every_uuid_of_version_4_is_taken(asset_id: UUID) -> None:
    assert parse_metadata({"id": str(asset_id)}, Shape.V3_1).filters.id == asset_id


def test_a_page_counts_itself() -> None:
    page = search_reply([{"id": 1}, {"id": 2}], 3)
    assert page["assets"] == {
        "total": 2, "count": 2, "items": [{"id": 1}, {"id": 2}], "facets": [], "nextPage": "3"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "words"),
    [("searchSmart", "Failed to search smart"), ("getMyApiKey", "Failed to get my api key")],
)
def test_what_was_not_foreseen_is_told_by_its_handler(name: str, words: str) -> None:
    assert (failed_handler(name).status, failed_handler(name).message) == (500, words)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from([case["body"] for case in ZOD["smart"] if isinstance(case["body"], dict)])


@given(
    st.dictionaries(FIELDS.map(lambda body: next(iter(body))), JSON), st.sampled_from(list(Shape))
)
def test_any_body_is_read_or_refused(body: dict[str, object], shape: Shape) -> None:
    for parse in PARSERS.values():
        with contextlib.suppress(ImmichHttpError):
            assert 1 <= parse(body, shape).size <= 1000


@pytest.mark.parametrize("raw", [b"{", b"NaN", b'{"a": Infinity}', b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(ImmichHttpError) as raised:
        read_json_body(raw)
    assert raised.value.status == 400


def test_an_empty_body_is_none_at_all() -> None:
    reader = BodyReader(read_json_body(b" "), Shape.V3_1)
    with pytest.raises(ImmichHttpError) as raised:
        reader.finish()
    assert raised.value.issues[0].zod["message"] == (
        "Invalid input: expected object, received undefined"
    )

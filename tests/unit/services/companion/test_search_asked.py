"""What a request for a search asks of us, and what Immich is asked in its place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from immich_aio.domain.immich import Shape
from immich_aio.services.companion.search_asked import (
    Kind,
    as_ocr_filter,
    is_ours,
    kind_of,
    read_search,
)
from immich_aio.wire.immich_api.errors import ImmichHttpError

SMART, METADATA = Kind.SMART, Kind.METADATA


def test_two_paths_are_searches() -> None:
    assert (kind_of("/api/search/smart"), kind_of("/api/search/metadata")) == (SMART, METADATA)
    assert kind_of("/api/search/random") is None


@pytest.mark.parametrize(
    ("kind", "body", "ours"),
    [
        (SMART, {"query": "sea"}, True),
        (SMART, {"query": "sea", "queryAssetId": None}, False),
        (SMART, {"query": None}, False),
        (SMART, ["query"], False),
        (METADATA, {"originalFileName": "sea"}, False),
        (METADATA, {"originalFileName": "notocr:sea"}, False),
        (METADATA, {"originalFileName": "OCR：sea"}, True),
        (METADATA, {"query": "ocr:sea"}, False),
        (METADATA, {"description": ["ocr:sea"]}, False),
        (METADATA, {"ocr": " ocr : sea", "city": "x"}, True),
    ],
)
def test_ours_is_what_has_a_query_or_the_prefix(kind: Kind, body: object, ours: bool) -> None:
    assert is_ours(kind, body) is ours


@pytest.mark.parametrize(
    ("kind", "body", "path", "instead"),
    [
        (SMART, {"query": "ocr:sea"}, METADATA, {"ocr": "sea", "size": 100}),
        (
            SMART,
            {"query": 'ocr:"to the" sea -shore', "language": "de", "city": None, "size": 5},
            METADATA,
            {"ocr": "to the sea", "city": None, "size": 5},
        ),
        (SMART, {"query": "ocr:sea", "ocr": "blue"}, METADATA, {"ocr": "blue sea", "size": 100}),
        (
            METADATA,
            {"description": "ocr:sea", "originalFileName": "ocr: blue", "make": "a", "new": 1},
            METADATA,
            {"ocr": "blue sea", "make": "a", "new": 1},
        ),
        (METADATA, {"ocr": "ocr:\ud800"}, METADATA, {"ocr": "\ud800"}),
    ],
)
def test_immich_is_asked_by_its_own_filter_with_everything_else_as_it_was(
    kind: Kind, body: dict[str, Any], path: Kind, instead: dict[str, Any]
) -> None:
    found = as_ocr_filter(kind, body)
    assert found is not None
    assert (found.path, json.loads(found.body)) == (path.value, instead)


@pytest.mark.parametrize("typed", ["ocr:", "ocr: -sea", "ocr:\u3000"])
def test_without_a_word_there_is_nothing_to_ask_it(typed: str) -> None:
    assert as_ocr_filter(SMART, {"query": typed}) is None
    assert as_ocr_filter(METADATA, {"ocr": typed}) is None


def test_texts_with_the_prefix_are_one_query_and_no_filters() -> None:
    body = {"description": "ocr:sea", "originalFileName": "ocr:blue", "city": "Rome", "page": 2}
    found = read_search(METADATA, body, Shape.V3_1)
    assert found is not None
    filters = found.search.filters
    assert (filters.description, filters.original_file_name, filters.city) == (None, None, "Rome")
    assert (found.query.text_only, found.query.meaning) == (True, "blue sea")
    assert (found.search.page, found.search.size) == (2, 250)


@pytest.mark.parametrize("shape", list(Shape))
def test_fields_that_are_not_known_are_refused_unless_it_does_not_matter(shape: Shape) -> None:
    body = {"query": "sea", "sort": []}
    assert read_search(SMART, body, shape, only_known=False) is not None
    with pytest.raises(ImmichHttpError, match="sort"):
        read_search(SMART, body, shape)


def test_what_is_in_an_album_is_immichs_to_say() -> None:
    body = {"ocr": "ocr:sea", "albumIds": ["6f1c2f6e-8b39-4bd0-9f0a-4a53f9d3d0c1"]}
    assert read_search(METADATA, body, Shape.V3_1) is None

"""What is asked of a hub, and what its replies mean: from status and headers alone."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from immich_aio.engines.model_files.exchange import (
    Body,
    Origin,
    SourceError,
    StartOverError,
    check_announced,
    linked_sha256,
    range_headers,
    read_reply,
    strong_etag,
)

URL = "https://hub.example/a.pt"
HASH, OTHER = "a" * 64, "b" * 64


def origin(url: str = URL, etag: str | None = None, sha256: str | None = None) -> Origin:
    return Origin(url, etag, sha256)


# ---- Asking


def test_with_nothing_here_all_is_asked_for() -> None:
    assert range_headers(0, origin(etag='"x"', sha256=HASH), URL, HASH) == {}


@pytest.mark.parametrize("known", [None, origin("https://elsewhere.example/a.pt", '"x"')])
def test_a_file_of_known_hash_is_gone_on_with_from_anywhere(known: Origin | None) -> None:
    assert range_headers(7, known, URL, HASH) == {"Range": "bytes=7-"}


def test_so_is_one_whose_hash_was_announced() -> None:
    elsewhere = origin("https://elsewhere.example/a.pt", '"x"', HASH)
    assert range_headers(7, elsewhere, URL, None) == {"Range": "bytes=7-"}


def test_without_a_hash_only_the_same_address_with_the_same_tag_will_do() -> None:
    tagged = origin(etag='"x"')
    assert range_headers(7, tagged, URL, None) == {"Range": "bytes=7-", "If-Range": '"x"'}


@pytest.mark.parametrize("known", [None, origin(), origin("https://elsewhere.example/", '"x"')])
def test_else_all_is_asked_for_again(known: Origin | None) -> None:
    assert range_headers(7, known, URL, None) == {}


# ---- Replies


def reply(status: int, *, asked: int = 0, size: int | None = None, **headers: str) -> Body:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_reply(status, CIMultiDict(names), asked=asked, size=size)


def test_200_is_all_of_the_file_whatever_was_asked_for() -> None:
    assert reply(200, asked=7, content_length="10") == Body(0, 10)


def test_200_without_a_length_has_the_size_that_is_known() -> None:
    assert reply(200) == Body(0, None)
    assert reply(200, size=10) == Body(0, 10)


def test_206_is_the_rest() -> None:
    assert reply(206, asked=7, content_range="bytes 7-9/10") == Body(7, 10)
    assert reply(206, asked=7, size=10, content_range="bytes 7-9/*") == Body(7, 10)


@pytest.mark.parametrize("said", ["bytes 6-9/10", "bytes 0-9/10", "bytes */10", "", "7-9"])
def test_206_with_another_part_is_refused(said: str) -> None:
    with pytest.raises(SourceError, match="another part"):
        reply(206, asked=7, content_range=said)


def test_416_says_that_all_is_here_already_when_the_sizes_are_equal() -> None:
    assert reply(416, asked=10, content_range="bytes */10") == Body(10, 10)


@pytest.mark.parametrize("said", ["bytes */9", "bytes */*", ""])
def test_416_else_means_that_what_is_here_is_of_no_use(said: str) -> None:
    with pytest.raises(StartOverError):
        reply(416, asked=10, content_range=said)


def test_416_to_one_who_asked_for_everything_is_a_failure() -> None:
    with pytest.raises(SourceError, match="416"):
        reply(416)


@pytest.mark.parametrize(
    ("status", "definite"),
    [(401, True), (403, True), (404, True), (410, True), (408, False), (429, False)]
    + [(status, False) for status in (304, 500, 502, 503, 504, 599)],
)
def test_other_statuses_are_failures_some_of_which_may_pass(status: int, definite: bool) -> None:
    with pytest.raises(SourceError, match=str(status)) as raised:
        reply(status)
    assert raised.value.definite is definite


def test_a_file_of_another_size_is_refused_before_it_is_fetched() -> None:
    with pytest.raises(SourceError, match="has 9 bytes and not 10") as raised:
        reply(200, size=10, content_length="9")
    assert raised.value.definite


def test_a_web_page_is_no_model() -> None:
    """Hotels, login pages and hubs in trouble answer 200 with a page."""
    with pytest.raises(SourceError, match="web page"):
        reply(200, content_type="text/html; charset=utf-8")


# ---- What is announced


@pytest.mark.parametrize("tag", [f'"{HASH}"', HASH, f'W/"{HASH}"', f'"{HASH.upper()}"'])
def test_the_hash_is_found_on_any_reply_of_the_way(tag: str) -> None:
    assert linked_sha256([{}, {"X-Linked-Etag": tag}, {"ETag": '"x"'}]) == HASH


@pytest.mark.parametrize("tag", ['"d41d8cd98f00b204e9800998ecf8427e"', "", '"x"'])
def test_what_is_no_sha256_is_no_hash(tag: str) -> None:
    assert linked_sha256([{"X-Linked-Etag": tag}]) is None


def test_only_a_strong_tag_stands_for_the_same_bytes() -> None:
    assert strong_etag({"ETag": '"x"'}) == '"x"'
    assert strong_etag({"ETag": 'W/"x"'}) is None
    assert strong_etag({}) is None


def test_another_file_is_refused_when_its_hash_is_announced() -> None:
    with pytest.raises(SourceError, match="has another file") as raised:
        check_announced(OTHER, pinned=HASH, begun=None)
    assert raised.value.definite


def test_what_was_begun_of_another_file_is_begun_anew() -> None:
    with pytest.raises(StartOverError):
        check_announced(OTHER, pinned=None, begun=HASH)


@pytest.mark.parametrize(("pinned", "begun"), [(HASH, HASH), (HASH, None), (None, HASH)])
def test_the_right_hash_and_none_at_all_are_fine(pinned: str | None, begun: str | None) -> None:
    check_announced(HASH, pinned=pinned, begun=begun)
    check_announced(None, pinned=pinned, begun=begun)

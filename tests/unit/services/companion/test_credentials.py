"""What of a request is passed on to Immich, so that it says who asks."""

from __future__ import annotations

import pytest

from immich_aio.errors import BadInputError
from immich_aio.upstream.immich_api import Credentials


def test_what_immich_looks_at_is_passed_on_and_nothing_else() -> None:
    headers = [
        ("Cookie", "a=b"),
        ("cookie", "immich_access_token=c"),
        ("X-Api-Key", "key"),
        ("X-Immich-Share-Slug", "trip"),
        ("X-Immich-Anything", "new"),
        ("Authorization", "Bearer d"),
        ("User-Agent", "phone"),
        ("Host", "photos"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("Content-Length", "5"),
        ("Remote-User", "admin"),
    ]
    found = Credentials.of(headers, "key=x&slug=%20y")
    assert [name for name, _ in found.headers] == [
        "cookie",
        "cookie",
        "x-api-key",
        "x-immich-share-slug",
        "x-immich-anything",
        "authorization",
        "user-agent",
    ]
    assert found.query == "key=x&slug=%20y"
    assert repr(found) == "Credentials()"


def test_only_the_very_same_are_the_same_person() -> None:
    one = Credentials.of([("x-api-key", "a")], "")
    assert one == Credentials.of([("X-API-Key", "a")], "")
    assert len({one, Credentials.of([("x-api-key", "A")], ""), Credentials.of([], "apiKey=a")}) == 3


def test_a_browser_alone_is_nobody() -> None:
    assert Credentials.of([("user-agent", "phone"), ("host", "photos")], "").is_empty
    assert not Credentials.of([("cookie", "a=b")], "").is_empty


@pytest.mark.parametrize("query", ["key=ä", "key=a b", "a#b", "a\r\nx-api-key: b"])
def test_an_address_that_cannot_be_sent_as_it_is_is_refused(query: str) -> None:
    with pytest.raises(BadInputError):
        Credentials.of([], query)

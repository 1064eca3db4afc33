"""Where Immich's Redis is, by Immich's own variables."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from pydantic import ValidationError
from redis.asyncio.connection import parse_url

from immich_aio.settings.companion import CompanionSettings

SECRET = "p@ss:w/rd"  # noqa: S105


def address(**variables: Any) -> str | None:  # noqa: ANN401  # of several types
    return CompanionSettings(**variables).queue_url


def ioredis(**options: object) -> str:
    return "ioredis://" + base64.b64encode(json.dumps(options).encode()).decode()


def test_without_any_there_is_no_way_to_the_queues() -> None:
    assert address() is None
    assert address(redis_password=SECRET) is None


def test_host_port_database_and_login_make_one_address() -> None:
    assert address(redis_hostname="redis") == "redis://redis:6379/0"
    full = address(
        redis_hostname="::1",
        redis_port=6380,
        redis_dbindex=2,
        redis_username="im/mich",
        redis_password=SECRET,
    )
    parts = parse_url(str(full))
    assert (parts["host"], parts["port"], parts["db"]) == ("::1", 6380, 2)
    assert (parts["username"], parts["password"]) == ("im/mich", SECRET)


def test_a_socket_goes_before_the_host() -> None:
    parts = parse_url(str(address(redis_hostname="redis", redis_socket="/run/redis.sock")))
    assert (parts["path"], parts["db"]) == ("/run/redis.sock", 0)


def test_immichs_own_address_in_one_is_read_and_goes_before_the_rest() -> None:
    url = ioredis(host="cache", port=7000, username="u", password=SECRET, db=3)
    assert (
        address(redis_hostname="redis", redis_url=url) == "redis://u:p%40ss%3Aw%2Frd@cache:7000/3"
    )
    assert address(redis_url=ioredis(host="cache", tls={})) == "rediss://cache:6379/0"
    assert address(redis_url="rediss://cache:1/0") == "rediss://cache:1/0"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://cache", "must begin with ioredis://"),
        ("ioredis://!!", "JSON in base64"),
        ("ioredis://" + base64.b64encode(b"[1]").decode(), "the options of ioredis"),
        (ioredis(sentinels=[{"host": "a"}]), "the master"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_what_to_do(url: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        CompanionSettings(redis_url=url)

"""Who comes in: whoever has the key or comes from the right place, whatever he says of himself."""

from __future__ import annotations

import base64
from ipaddress import ip_network

import pytest
from starlette.datastructures import Headers

from immich_aio.errors import ForbiddenError, UnauthorizedError
from immich_aio.services.gateway.access import Access, key_and_path

KEY = "schlüssel-of-ours"
HOME = (ip_network("192.168.0.0/16"), ip_network("fd00::/8"))
PROXY = (ip_network("10.0.0.0/24"),)


def refusal(
    access: Access, peer: str | None = "1.2.3.4", path: str = "/predict", **sent: str
) -> object:
    headers = Headers({name.replace("_", "-"): value for name, value in sent.items()})
    return access.refusal(peer, headers, path, "")


def basic(password: str, user: str = "anyone") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_without_key_and_networks_everyone_comes_in() -> None:
    assert Access().is_open
    assert refusal(Access()) is None


def as_sent(text: str) -> str:
    """A header's text as a server reads the bytes of UTF-8."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(
    "sent",
    [
        {"api_key": as_sent(KEY)},
        {"x_api_key": as_sent(KEY)},
        {"authorization": f"Bearer {as_sent(KEY)}"},
        {"authorization": f"bearer  {as_sent(KEY)} "},
        {"authorization": basic(KEY)},
        {"authorization": basic(KEY, user="")},
    ],
    ids=str,
)
def test_the_key_is_taken_in_every_way_that_callers_can_send_it(sent: dict[str, str]) -> None:
    assert refusal(Access(KEY), **sent) is None


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"api_key": ""},
        {"api_key": as_sent(KEY)[:-1]},
        {"authorization": "Bearer"},
        {"authorization": "Basic !!!"},
        {"authorization": basic("wrong")},
        {"authorization": f"Digest {as_sent(KEY)}"},
        {"x_forwarded_for": "192.168.1.1"},
    ],
    ids=str,
)
def test_anything_else_is_refused_and_told_what_to_send(sent: dict[str, str]) -> None:
    error = refusal(Access(KEY), **sent)
    assert isinstance(error, UnauthorizedError)
    assert "GATEWAY_KEY" in error.message
    assert KEY not in error.message


def test_the_key_may_stand_in_the_address_because_immich_sends_it_in_no_other_way() -> None:
    assert key_and_path("/key/our-key/predict") == ("our-key", "/predict")
    assert key_and_path("/key/our-key/") == ("our-key", "/")
    assert key_and_path("/key/our-key") == ("our-key", "/")
    assert key_and_path("/predict") == ("", "/predict")
    assert Access("our-key").refusal(None, Headers(), "/predict", "our-key") is None
    assert Access("our-key").refusal(None, Headers(), "/predict", "other") is not None


def test_health_checks_need_no_key() -> None:
    assert refusal(Access(KEY), path="/ping") is None
    assert refusal(Access(KEY), path="/status") is not None


@pytest.mark.parametrize("peer", ["192.168.7.8", "::ffff:192.168.7.8", "fd12::1", "fd12::1%eth0"])
def test_a_caller_of_a_network_that_is_let_in_comes_in(peer: str) -> None:
    assert refusal(Access(networks=HOME), peer) is None


@pytest.mark.parametrize("peer", ["192.169.0.1", "2001:db8::1", "testclient", "", None])
def test_a_caller_from_elsewhere_does_not_whatever_he_says(peer: str | None) -> None:
    for path in ("/predict", "/ping"):
        error = refusal(Access(networks=HOME), peer, path, x_forwarded_for="192.168.7.8")
        assert isinstance(error, ForbiddenError)


@pytest.mark.parametrize(
    ("forwarded", "comes_in"),
    [
        ("192.168.7.8", True),
        ("8.8.8.8", False),
        ("8.8.8.8, 192.168.7.8", True),
        ("192.168.7.8, 8.8.8.8", False),
        ("192.168.7.8, 10.0.0.9", True),
        ("nonsense", False),
        ("", False),
    ],
)
def test_a_trusted_proxy_is_believed_and_what_it_was_told_is_not(
    forwarded: str, *, comes_in: bool
) -> None:
    """The nearest address that is no trusted proxy's counts: those before it may be invented."""
    access = Access(networks=HOME, proxies=PROXY)
    error = refusal(access, "10.0.0.7", x_forwarded_for=forwarded)
    assert (error is None) is comes_in


def test_both_a_network_and_a_key_are_asked_for_where_both_are_set() -> None:
    access = Access("k", HOME)
    assert isinstance(refusal(access, "1.2.3.4", api_key="k"), ForbiddenError)
    assert isinstance(refusal(access, "192.168.1.1"), UnauthorizedError)
    assert refusal(access, "192.168.1.1", api_key="k") is None


def test_the_key_is_never_shown() -> None:
    assert KEY not in repr(Access(KEY))

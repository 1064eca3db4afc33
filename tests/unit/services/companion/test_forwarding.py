"""What Immich is told of a caller: no more than is known."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_aio.services.companion.forwarding import CLAIMS, Forwarding

FORWARDING = Forwarding((ip_network("10.0.0.0/8"), ip_network("fd00::/8")))

VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))
"""What the parser lets through."""

CLAIMED = st.lists(st.tuples(st.sampled_from(sorted(CLAIMS)), VALUES.map(str.encode)))


@given(CLAIMED)
def test_of_a_stranger_nothing_is_told_but_the_connection(
    claims: list[tuple[bytes, bytes]],
) -> None:
    told = FORWARDING.origin("8.8.8.8").told(b"photos", claims)
    assert told == (
        b"x-forwarded-for: 8.8.8.8\r\nx-forwarded-proto: http\r\nx-forwarded-host: photos\r\n"
    )


@given(CLAIMED)
def test_a_trusted_proxys_own_address_is_the_last_whatever_it_says(
    claims: list[tuple[bytes, bytes]],
) -> None:
    told = FORWARDING.origin("10.1.2.3").told(b"photos", claims)
    lines = dict(line.split(b": ", 1) for line in told.split(b"\r\n") if b": " in line)
    assert lines[b"x-forwarded-for"].endswith(b"10.1.2.3")


def test_an_empty_claim_is_none() -> None:
    told = FORWARDING.origin("10.1.2.3").told(b"photos", [(b"x-forwarded-for", b"")])
    assert told.startswith(b"x-forwarded-for: 10.1.2.3\r\n")


def test_the_first_of_two_claims_counts_as_it_does_for_immich() -> None:
    claims = [(b"x-forwarded-proto", b"https"), (b"x-forwarded-proto", b"http")]
    told = FORWARDING.origin("10.1.2.3").told(b"photos", claims)
    assert b"x-forwarded-proto: https\r\n" in told
    assert told.count(b"x-forwarded-proto") == 1


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("10.255.0.1", True),
        ("::ffff:10.0.0.1", True),
        ("fd12::1%eth0", True),
        ("11.0.0.1", False),
        ("fe80::1", False),
        ("", False),
        (None, False),
    ],
)
def test_proxies_are_known_by_their_networks(peer: str | None, trusted: bool) -> None:
    assert FORWARDING.origin(peer).trusted is trusted


@pytest.mark.parametrize(
    ("peer", "claimed", "caller"),
    [
        ("8.8.8.8", "10.0.0.1", "8.8.8.8"),
        ("10.0.0.1", "9.9.9.9", "9.9.9.9"),
        ("10.0.0.1", "1.1.1.1, 9.9.9.9, 10.0.0.2", "9.9.9.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "None"),
        (None, "10.0.0.1", "None"),
    ],
)
def test_a_caller_is_the_nearest_that_is_no_trusted_proxy(
    peer: str | None, claimed: str, caller: str
) -> None:
    assert str(FORWARDING.caller(peer, claimed)) == caller

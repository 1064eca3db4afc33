"""For whom a request is, as Immich is told: pure decisions.

Immich believes us, so it must be told no more than we know. What a caller says of himself goes on
only where he is a proxy that Immich itself would believe; so it sees what it would see without us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Header = tuple[bytes, bytes]
Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

FOR, PROTO, HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"
CLAIMS = frozenset({FOR, PROTO, HOST, b"forwarded"})
"""What proxies say in a request's head of whom they ask for."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who is at the other end of a connection; ``trusted`` is a proxy that is believed."""

    peer: bytes
    scheme: bytes = b"http"
    trusted: bool = False

    def told(self, host: bytes, claims: Sequence[Header]) -> bytes:
        """What Immich is told of a request, ready for its head; ``claims`` are its headers of
        these names, and ``host`` is what it was asked by.
        """
        if not claims or not self.trusted:
            return _told(self.peer, self.scheme, host)
        said: dict[bytes, bytes] = {}
        for name, value in claims:
            if not value:
                continue
            if name == FOR and FOR in said:
                value = said.pop(FOR) + b", " + value  # noqa: PLW2901  # one list, in two headers
            said.setdefault(name, value)
        if self.peer:
            said[FOR] = said[FOR] + b", " + self.peer if FOR in said else self.peer
        said.setdefault(PROTO, self.scheme)
        if host:
            said.setdefault(HOST, host)
        return _lines(said)


@dataclass(frozen=True)
class Forwarding:
    """Which proxies are believed."""

    proxies: tuple[Network, ...] = ()

    def origin(self, peer: str | None, scheme: str = "http") -> Origin:
        """Whoever connected from this address."""
        trusted = _is_in(_address(peer), self.proxies)
        return Origin((peer or "").partition("%")[0].encode(), scheme.encode(), trusted)

    def caller(self, peer: str | None, claimed: str) -> Address | None:
        """The caller's address: the nearest that is no trusted proxy's; others can be forged.

        ``claimed`` is what its X-Forwarded-For says.
        """
        address, behind = _address(peer), claimed.split(",")
        while behind and _is_in(address, self.proxies):
            nearer = behind.pop().strip()
            if not nearer:
                break
            address = _address(nearer)
        return address


@lru_cache(256)
def _told(peer: bytes, scheme: bytes, host: bytes) -> bytes:
    """What is told of whoever says nothing of himself."""
    said = {FOR: peer, PROTO: scheme, HOST: host}
    return _lines({name: value for name, value in said.items() if value})


def _lines(said: Mapping[bytes, bytes]) -> bytes:
    return b"".join([b"%b: %b\r\n" % each for each in said.items()])


def _address(text: str | None) -> Address | None:
    try:
        address = ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_in(address: Address | None, networks: tuple[Network, ...]) -> bool:
    return address is not None and any(
        address.version == network.version and address in network for network in networks
    )

"""Who may come in: a pure decision.

Nothing that a caller says of himself is believed, but a key; only a proxy that is named in the
settings is believed when it says for whom it asks.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.datastructures import Headers

from immich_aio.errors import AioError, ForbiddenError, UnauthorizedError

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

OPEN_PATHS = ("/ping",)
"""What needs no key: health checks cannot send one."""

KEY_PATH = "/key/"
"""``/key/THE-KEY/predict`` is ``/predict`` with the key: Immich can send one in no other way."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may come in: all, unless there are ``networks``, or a ``key``.

    ``proxies`` are the networks of those whose X-Forwarded-For is believed.
    """

    key: str = field(default="", repr=False)
    networks: tuple[Network, ...] = ()
    proxies: tuple[Network, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked for anything."""
        return not self.key and not self.networks

    def refusal(self, peer: str | None, headers: Headers, path: str, key: str) -> AioError | None:
        """Why the caller behind ``peer`` may not come in, with this ``key`` in its address; None if
        it may.
        """
        if self.networks and not _is_in(self.caller(peer, headers), self.networks):
            return ForbiddenError()
        if self.key and path not in OPEN_PATHS and not self._knows_key(headers, key):
            return UnauthorizedError(
                "A key is needed here: send GATEWAY_KEY as the header 'api-key', as a bearer "
                "token, as the password of basic authentication, or in the address: /key/KEY/."
            )
        return None

    def caller(self, peer: str | None, headers: Headers) -> Address | None:
        """The caller's address: the nearest that is no trusted proxy's; others can be forged."""
        address = _address(peer)
        claimed = ",".join(headers.getlist("x-forwarded-for")).split(",")
        while claimed and _is_in(address, self.proxies):
            behind = claimed.pop().strip()
            if not behind:
                break
            address = _address(behind)
        return address

    def _knows_key(self, headers: Headers, key: str) -> bool:
        names = ("api-key", "x-api-key")
        sent = [key.encode(), *(headers.get(name, "").encode("latin-1") for name in names)]
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            sent.append(credentials.strip().encode("latin-1"))
        elif scheme.lower() == "basic":
            sent.append(_password(credentials))
        expected = self.key.encode()
        return any(hmac.compare_digest(each, expected) for each in sent)


def key_and_path(path: str) -> tuple[str, str]:
    """The key that is in a path, and the path without it."""
    if not path.startswith(KEY_PATH):
        return "", path
    key, _, rest = path.removeprefix(KEY_PATH).partition("/")
    return key, f"/{rest}"


def _address(text: str | None) -> Address | None:
    try:
        address = ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_in(address: Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(
        address.version == network.version and address in network for network in networks
    )


def _password(credentials: str) -> bytes:
    try:
        return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except ValueError:
        return b""

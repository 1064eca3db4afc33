"""What a caller asked of Immich, and the contract of those who may answer in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response

MAX_BODY = 1024 * 1024
"""Bytes of the largest body that is read before it is decided who answers."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with its whole body.

    ``path`` is for comparing (see ``path_of``); ``target`` is what stood in the request's first
    line, byte for byte; ``client`` is the address of whoever connected.
    """

    method: str
    path: str
    target: str
    headers: Headers
    body: bytes
    client: str | None = None

    @property
    def query(self) -> QueryParams:
        """What follows the question mark."""
        return QueryParams(urlsplit(self.target).query)


@dataclass(frozen=True, slots=True)
class Instead:
    """What Immich is to be asked in place of what came: another JSON ``body``, another ``path``.

    An empty ``path`` is the one that was asked for; what follows its question mark stays.
    """

    body: bytes
    path: str = ""


class Interceptor(Protocol):
    """Somebody who answers some requests in Immich's place."""

    def concerns(self, method: str, path: str) -> bool:
        """Whether requests of this kind are worth reading; asked for every one, so at once."""
        ...

    async def answer(self, asked: Asked) -> Response | Instead | None:
        """The reply, or what Immich is to be asked instead, or None: the request goes to Immich as
        it came. So it does when this raises, or takes longer than COMPANION_TIMEOUT.
        """
        ...


def path_of(target: str) -> str:
    """The path of a request as Immich compares it: in any case, with or without a last slash.

    It does not decode what is percent-encoded: ``/api/search/%73mart`` is nothing to it.
    """
    path = target if target.startswith("/") else urlsplit(target).path
    return path.partition("?")[0].partition("#")[0].removesuffix("/").lower()

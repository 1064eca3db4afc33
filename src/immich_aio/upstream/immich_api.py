"""Immich's own HTTP API, asked in the name of somebody whose request is at hand.

Whoever that is and what they may do is for Immich to say: their credentials are passed on as they
came, and nothing else of their request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from multidict import CIMultiDict

from immich_aio.errors import BadInputError, UpstreamError
from immich_aio.upstream.http import HttpClient, HttpReply, parsed

PASSED_ON = frozenset({"authorization", "cookie", "x-api-key", "user-agent"})
"""Headers by which Immich knows who asks, beside its own, whose names begin with ``x-immich-``. By
``User-Agent`` it keeps its list of devices: another one would be noted there."""
_SENDABLE = re.compile(r"[!-~]*")
_NOT_SECRET = "user-agent"  # noqa: S105  # the name of a header


@dataclass(frozen=True, slots=True)
class Credentials:
    """What tells Immich who asks: headers by their names in lower case, and the query as it came.

    Equal ones are the same person to Immich. They are not shown.
    """

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    query: str = field(default="", repr=False)

    @classmethod
    def of(cls, headers: Iterable[tuple[str, str]], query: str) -> Credentials:
        """Those of a request. Raises BadInputError for a query that cannot be sent on as it is."""
        if not _SENDABLE.fullmatch(query) or "#" in query:
            raise BadInputError("The address has letters that must be encoded.")
        lower = ((name.lower(), value) for name, value in headers)
        kept = ((name, value) for name, value in lower if _is_passed_on(name))
        return cls(tuple(kept), query)

    @property
    def is_empty(self) -> bool:
        """Whether there can be nothing that Immich knows anybody by."""
        return not self.query and all(name == _NOT_SECRET for name, _ in self.headers)


class ImmichApi:
    """Immich at one address. Nobody's credentials but the caller's are ever sent."""

    def __init__(self, url: str, timeout: float) -> None:
        remedy = "raise COMPANION_TIMEOUT if it needs longer"
        self._http = HttpClient("Immich", url.rstrip("/"), timeout, {}, remedy)

    async def get(self, path: str, credentials: Credentials | None = None) -> HttpReply:
        """The whole reply to a GET, whatever its status; ``path`` begins with ``/api``.

        Raises UnreachableError, UpstreamError or TimeoutExceededError.
        """
        return await self._ask("GET", path, credentials or Credentials())

    async def post(self, path: str, body: object, credentials: Credentials) -> HttpReply:
        """The whole reply to a POST of JSON, whatever its status. Raises as ``get``."""
        return await self._ask("POST", path, credentials, body)

    async def record(self, path: str, credentials: Credentials | None = None) -> Mapping[str, Any]:
        """The JSON object that a GET is answered.

        Raises UpstreamError where it is answered otherwise, and as ``get``.
        """
        return await self.read(await self.get(path, credentials), path)

    async def read(self, reply: HttpReply, path: str) -> Mapping[str, Any]:
        """The JSON object in a reply of success. Raises UpstreamError for anything else."""
        if reply.status not in (200, 201):
            raise self._http.failure(reply, path)
        try:
            value = await parsed(json.loads, reply.body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise UpstreamError(f"{self._http} answered {path} with something that is no JSON.")
        return value

    async def version(self) -> str:
        """Its version, as ``3.1.0``. Raises UpstreamError, and as ``get``."""
        found = await self.record("/api/server/version")
        numbers = [found.get(part) for part in ("major", "minor", "patch", "prerelease")]
        return ".".join(str(number) for number in numbers if number is not None)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _ask(
        self, method: str, path: str, credentials: Credentials, body: object = None
    ) -> HttpReply:
        headers = CIMultiDict(credentials.headers)
        return await self._http.exchange(
            method, path, json=body, headers=headers, query=credentials.query
        )


def _is_passed_on(name: str) -> bool:
    return name in PASSED_ON or name.startswith("x-immich-")

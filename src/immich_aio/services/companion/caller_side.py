"""What an exchange knows of whoever asked: the request, and the connection by which it came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from starlette.types import Scope

from immich_aio.errors import UpstreamError
from immich_aio.services.companion.forwarding import Header, Origin
from immich_aio.services.companion.heads import RequestHeads

if TYPE_CHECKING:
    from immich_aio.services.companion.exchange import Exchange


@dataclass(slots=True)
class Request:
    """A request without its body; the headers' names are in lower case."""

    method: str
    target: bytes
    version: str
    headers: Sequence[Header]
    origin: Origin
    heads: RequestHeads
    path: str
    upgrade: bool = False

    @property
    def names(self) -> list[bytes]:
        """Those of the headers."""
        return [name for name, _ in self.headers]

    @property
    def scope(self) -> Scope:
        """The request as ASGI has it."""
        path, _, query = self.target.partition(b"?")
        return {
            "type": "http",
            "method": self.method,
            "http_version": self.version,
            "headers": self.headers,
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "extensions": {},
        }


class Caller(Protocol):
    """The connection of whoever asked."""

    def write(self, data: bytes) -> None:
        """Send this."""
        ...

    def pause(self, exchange: Exchange) -> None:
        """Send no more of the body."""
        ...

    def resume(self, exchange: Exchange) -> None:
        """Go on with it."""
        ...

    def begun(self, exchange: Exchange, status: int) -> None:
        """The reply has begun."""
        ...

    def finished(self, exchange: Exchange) -> None:
        """The reply is whole."""
        ...

    def failed(self, exchange: Exchange, error: UpstreamError) -> None:
        """There will be no reply: Immich cannot be reached, or hung up before it answered."""
        ...

    def hang_up(self) -> None:
        """What was begun cannot be ended."""
        ...

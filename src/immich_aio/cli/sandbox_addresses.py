"""Where the parts of a sandbox listen, and how its user is told."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text
from starlette.types import ASGIApp

from immich_aio.errors import UnavailableError
from immich_aio.services.http.serving import BACKLOG, Listener
from immich_aio.services.sandbox.stand import DATABASE, Stand
from immich_aio.settings import Settings

HOST = "127.0.0.1"
USERS = ("admin@example.com", "mei@example.com")
PIN = "123456"


class Doors:
    """Sockets of loopback that listen already, on the usual ports or, if taken, on free ones.

    So nobody else can take a port between the moment it is known and the moment it is used.
    """

    def __init__(self, settings: Settings, port: int) -> None:
        wanted = (settings.port, settings.http_port, settings.companion_port, port)
        self._sockets = [_listening(one) for one in wanted]
        gateway, ai, companion, sandbox = (int(one.getsockname()[1]) for one in self._sockets)
        self.gateway, self.ai, self.companion, self.sandbox = (
            f"http://{HOST}:{one}/" for one in (gateway, ai, companion, sandbox)
        )
        ports = {"port": gateway, "http_port": ai, "companion_port": companion}
        self.settings = settings.model_copy(update={"host": HOST, **ports})

    def __enter__(self) -> Self:
        """Hold the ports."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _at: TracebackType | None,
    ) -> None:
        """Let them go."""
        for one in self._sockets:
            one.close()

    def listeners(self, product: Sequence[Listener], miniature: ASGIApp) -> list[Listener]:
        """The product's listeners and the miniature's, on these sockets."""
        own = Listener("sandbox", miniature, HOST, 0, "--port", self._sockets[-1])
        by_port = {one.getsockname()[1]: one for one in self._sockets}
        return [*(dataclasses.replace(one, socket=by_port[one.port]) for one in product), own]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Everything that is needed to use a sandbox."""

    companion: str
    sandbox: str
    email: str
    password: str
    api_key: str
    gateway: str
    ai: str
    database: str
    redis: str
    data: str

    @classmethod
    def of(cls, doors: Doors, stand: Stand) -> Addresses:
        """Those of a sandbox that stands behind these doors."""
        credentials = stand.folder.credentials
        return cls(
            doors.companion,
            doors.sandbox,
            USERS[0],
            credentials.login,
            credentials.api_key,
            doors.gateway,
            doors.ai,
            stand.postgres.url(DATABASE),
            stand.redis.url,
            str(stand.folder.path),
        )

    def show(self, console: Console, immich: str, smart_search: str) -> None:
        """Print them, what smart search is done by, and commands to begin with."""
        lines = [
            ("Open", f"{self.companion}  and search for ocr:发票"),
            ("login", f"{' or '.join(USERS)}, password {self.password}"),
            ("", f"PIN for locked photos: {PIN}"),
            ("API key", self.api_key),
            ("Immich", f"{self.sandbox}  (Immich {immich} in miniature, without the companion)"),
            ("gateway", f"{self.gateway}  (Immich's machine-learning URL)"),
            ("AI service", f"{self.ai}  (a page to try it)"),
            ("search", smart_search),
            ("DB_URL", self.database),
            ("REDIS_URL", self.redis),
            ("data", self.data),
        ]
        for name, value in lines:
            console.print(Text.assemble((f"{name:<11}", "bold"), value))
        headers = f"-H 'x-api-key: {self.api_key}' -H 'content-type: application/json'"
        examples = (('{"query":"ocr:发票"}', "smart"), ('{"query":"海边"}', "smart"))
        for body, search in examples:
            console.print(Text(f"\ncurl {headers} -d '{body}' {self.companion}api/search/{search}"))
        known = f"DB_URL={self.database} SEARCH_ML_URL={self.gateway}"
        console.print(Text(f"\n{known} ./aio search --user {self.email} 发票"))
        console.print()

    @contextlib.contextmanager
    def announced(self, file: Path) -> Iterator[None]:
        """In a file while they are of use, for other programs of the same user."""
        file.touch(0o600)
        file.write_text(json.dumps(dataclasses.asdict(self), indent=1), "utf-8")
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def _listening(wanted: int) -> socket.socket:
    for port in (wanted, 0):
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((HOST, port))
            made.listen(BACKLOG)
        except OSError:
            made.close()
        else:
            return made
    raise UnavailableError(f"No port of {HOST} is free.")

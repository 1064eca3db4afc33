"""What the companion shares a process with, and what is closed together with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from immich_aio.engines.protocol import ClipBackend
from immich_aio.settings import Settings


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What runs in the same process: the engine for CLIP, and the gateway, by its address."""

    clip: ClipBackend | None = None
    gateway: str | None = None


class Closable(Protocol):
    """Anything that is closed at the end."""

    async def close(self) -> None:
        """Give back what it holds."""
        ...


class Closing:
    """Parts of the companion that need not be started, but closed."""

    def __init__(self, *closed: Closable) -> None:
        self._closed = closed

    async def start(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Close them all."""
        for one in self._closed:
            await one.close()


def own_gateway(settings: Settings) -> str:
    """The address of the gateway of this process, with its key, which is never shown."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # where it listens on all
    host = everywhere.get(settings.host, settings.host)
    host = f"[{host}]" if ":" in host else host
    key = settings.gateway_key.get_secret_value() if settings.gateway_key else ""
    login = f"key:{quote(key, safe='')}@" if key else ""
    return f"http://{login}{host}:{settings.port}"

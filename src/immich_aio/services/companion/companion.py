"""The companion's parts, put together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from starlette.routing import BaseRoute

from immich_aio.services.companion.asked import Interceptor
from immich_aio.services.companion.forwarding import Forwarding
from immich_aio.services.companion.observation import Observation
from immich_aio.services.http.metrics import Metrics
from immich_aio.upstream.connection_pool import ConnectionPool


@dataclass(frozen=True, slots=True)
class CompanionConfig:
    """How it works; see the settings of the same meaning."""

    immich_url: str
    timeout: float = 5.0
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()


class Part(Protocol):
    """Something that works while the companion is served."""

    async def start(self) -> None:
        """Begin, in the running event loop. It does not wait, and does not fail."""
        ...

    async def close(self) -> None:
        """End, and give back what it holds."""
        ...


@dataclass(frozen=True, slots=True)
class Features:
    """What the companion does beside relaying.

    ``interceptors`` are asked in this order; ``routes`` are below ``/aio``; ``parts`` are started
    and closed with the companion.
    """

    interceptors: Sequence[Interceptor] = ()
    routes: Sequence[BaseRoute] = ()
    parts: Sequence[Part] = ()


@dataclass(slots=True)
class Companion:
    """What is behind the companion's routes."""

    config: CompanionConfig
    features: Features = field(default_factory=Features)
    metrics: Metrics = field(default_factory=lambda: Metrics("companion"))
    began: float = field(default_factory=time.monotonic)
    pool: ConnectionPool = field(init=False)
    forwarding: Forwarding = field(init=False)
    observation: Observation = field(init=False)

    def __post_init__(self) -> None:
        self.pool = ConnectionPool(self.config.immich_url)
        self.forwarding = Forwarding(self.config.proxies)
        self.observation = Observation(self.metrics)

    async def start(self) -> None:
        """Begin what works in the background."""
        for part in self.features.parts:
            await part.start()

    async def close(self) -> None:
        """End it, the last that was begun first."""
        for part in reversed(self.features.parts):
            await part.close()
        self.pool.close()

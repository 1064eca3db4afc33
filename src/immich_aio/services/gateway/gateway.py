"""The gateway's parts, put together."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from immich_aio.domain.routes import RoutingTable
from immich_aio.domain.tasks import TaskKind
from immich_aio.services.gateway.access import Access
from immich_aio.services.gateway.backends import Backend
from immich_aio.services.gateway.dispatch import Dispatcher, Patience
from immich_aio.services.gateway.lanes import lanes_of
from immich_aio.services.gateway.monitor import Monitor
from immich_aio.services.gateway.observation import Gauges, Observation
from immich_aio.services.gateway.predict import Planner, Predictor
from immich_aio.services.gateway.spool import Spool, SpoolLimits
from immich_aio.services.gateway.vector_cache import VectorCache
from immich_aio.services.gateway.waiting_room import WaitingRoom
from immich_aio.services.http.metrics import Metrics

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """How it works; see the settings of the same meaning.

    ``engine_limits`` is how much this process's engines are given at once, by kind of task;
    ``timeout`` the seconds that a server has for an image.
    """

    table: RoutingTable
    max_upload_bytes: int = 64 * MIB
    patience: Patience = field(default_factory=Patience)
    places: int = 1000
    spool: SpoolLimits = field(default_factory=SpoolLimits)
    engine_limits: Mapping[TaskKind, int] = field(default_factory=dict)
    timeout: float = 120.0
    cached_texts: int = 1000
    access: Access = field(default_factory=Access)


class Gateway:
    """What is behind the gateway's routes, over backends by their names in the table.

    The backends are closed by whoever made them.
    """

    def __init__(self, config: GatewayConfig, backends: Mapping[str, Backend]) -> None:
        self.config = config
        self.began = time.monotonic()
        self.metrics = Metrics("gateway")
        self.spool = Spool(config.spool)
        self.room = WaitingRoom(config.places)
        self.lanes = lanes_of(config.table, config.engine_limits, config.timeout)
        self._monitor = Monitor(backends, self.lanes.values(), self.room.look)
        observation = Observation(self.metrics, self._monitor.wake)
        self._dispatcher = Dispatcher(backends, self.lanes, self.room, config.patience, observation)
        self.cache = VectorCache(self._dispatcher, config.cached_texts, observation.looked_up)
        self.metrics.registry.register(Gauges(self.lanes, self.room, self.spool))
        self.predictor = Predictor(
            Planner(config.table),
            self._dispatcher,
            self.cache,
            self.spool,
            observation,
            config.max_upload_bytes,
        )

    async def start(self) -> None:
        """Begin to watch the backends, in the running event loop."""
        self._monitor.start()

    async def stop_waiting(self) -> None:
        """Have requests that wait answered, for nothing will come any more."""
        self.room.stop()

    async def close(self) -> None:
        """End what runs on nobody's behalf."""
        await self._monitor.close()
        await self._dispatcher.close()

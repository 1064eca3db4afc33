"""Asks every server now and then whether it is there, and often while it is not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from immich_aio.errors import AioError, TimeoutExceededError, UnreachableError
from immich_aio.services.gateway.backends import Backend
from immich_aio.services.gateway.health import Lane, Reach

log = logging.getLogger(__name__)

WHILE_LOST = 1.0
WHILE_THERE = 15.0
"""Seconds between two pings."""

PATIENCE = 2.0
"""Seconds that a server has for an answer."""


@dataclass(slots=True)
class _Watched:
    name: str
    backend: Backend
    reach: Reach
    lanes: list[Lane]
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_working(self) -> bool:
        """Whether it has work of ours: then that says more than a ping that waits behind it."""
        return any(lane.slots.taken for lane in self.lanes)


class Monitor:
    """Watches the servers among ``backends``; ``changed`` is called when one is there again."""

    def __init__(
        self, backends: Mapping[str, Backend], lanes: Iterable[Lane], changed: Callable[[], None]
    ) -> None:
        self._changed = changed
        self._tasks: list[asyncio.Task[None]] = []
        self._watched: dict[str, _Watched] = {}
        for lane in lanes:
            if lane.timeout is not None:  # else it is of this process
                new = _Watched(lane.backend, backends[lane.backend], lane.reach, [])
                self._watched.setdefault(lane.backend, new).lanes.append(lane)

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._tasks = [asyncio.create_task(self._watch(each)) for each in self._watched.values()]

    def wake(self, name: str) -> None:
        """A server was just lost: ask it at once."""
        if name in self._watched:
            self._watched[name].woken.set()

    async def close(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self, watched: _Watched) -> None:
        while True:
            if not watched.reach.reachable or not watched.is_working:
                await self._ping(watched)
            seconds = WHILE_THERE if watched.reach.reachable else WHILE_LOST
            watched.woken.clear()
            try:
                await asyncio.wait_for(watched.woken.wait(), seconds)
            except TimeoutError:
                continue

    async def _ping(self, watched: _Watched) -> None:
        complaint = ""
        try:
            async with asyncio.timeout(PATIENCE):
                await watched.backend.ping()
        except (UnreachableError, TimeoutExceededError) as error:
            self._lost(watched, error.message)
            return
        except TimeoutError:
            self._lost(watched, f"{watched.name} does not answer.")
            return
        except AioError as error:  # it answers, though not as it should
            complaint = error.message
        if complaint and complaint != watched.reach.complaint:
            log.warning("%s", complaint)
        if watched.reach.found(complaint):
            log.info("%s answers again", watched.name)
            self._changed()

    def _lost(self, watched: _Watched, why: str) -> None:
        if not watched.is_working and watched.reach.lost(why):
            log.warning("%s is down: %s", watched.name, why)

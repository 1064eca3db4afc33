"""What happens during the soak, in rounds: each quarter has the same events at the same places."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.product import HOST
from bench.soak_load import Pace
from bench.soak_parts import COMPANION, OTHER, STEADY
from bench.soak_people import FOUND
from bench.soak_record import QUARTERS, Record
from bench.soak_server import Server
from bench.soak_stand import Stand, restarted, until
from bench.soak_watch import Watch

ROUND = 450.0
"""Seconds that a round takes at least, where the soak is long enough for one in every quarter."""
SLACK = 120.0
"""Seconds by which unloading may be late where others use the machine."""
AWAY = 1.0
"""Seconds for which AI 2 is away at least when it is restarted."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many rounds of how many seconds."""

    rounds: int
    seconds: float

    @classmethod
    def of(cls, length: float) -> Plan:
        """As many in each quarter as fit; where none does, one round in all."""
        each = int(length / QUARTERS // ROUND)
        rounds = each * QUARTERS or 1
        return cls(rounds, length / rounds)

    @property
    def comparable(self) -> bool:
        """Whether each quarter has the same events."""
        return self.rounds >= QUARTERS


class Events:
    """Makes them happen, one after the other."""

    def __init__(self, stand: Stand, record: Record, pace: Pace, watch: Watch) -> None:
        self._stand = stand
        self._record = record
        self._pace = pace
        self._watch = watch

    async def run(self, plan: Plan) -> None:
        """All rounds. An event that is late does not move those after it further than it must."""
        events: tuple[tuple[float, Callable[[], Awaitable[None]]], ...] = (
            (0.05, self._killed),
            (0.25, self._hung),
            (0.50, self._replaced),
            (0.65, self._rebuilt),
            (0.75, self._rested),
        )
        for number in range(plan.rounds):
            for at, event in events:
                await asyncio.sleep((number + at) * plan.seconds - self._record.now)
                try:
                    await event()
                except TimeoutError as error:
                    self._record.err(event.__name__.strip("_"), str(error))

    async def _killed(self) -> None:
        """SIGKILL, as when memory is out; then a new process."""
        other = self._other()
        await self._watch.count(OTHER)
        self._record.happened("AI 2 killed")
        other.signal(signal.SIGKILL)
        await self._back(other)

    async def _hung(self) -> None:
        """It keeps its connections, and says nothing."""
        other = self._other()
        self._record.happened("AI 2 hangs")
        other.signal(signal.SIGSTOP)
        await asyncio.sleep(self._stand.scale.hung_seconds)
        other.signal(signal.SIGCONT)
        await until(self._stand.all_backends_work, "AI 2 gets work after it hung")
        other.up = True

    async def _replaced(self) -> None:
        """SIGTERM, as when a newer version is installed; it must end by itself."""
        other = self._other()
        await self._watch.count(OTHER)
        self._record.happened("AI 2 replaced")
        other.signal(signal.SIGTERM)
        await self._back(other)

    async def _rebuilt(self) -> None:
        """The text index is made anew, from the command line."""
        self._record.happened("index rebuilt")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "immich_aio", "index", "rebuild"),
            env={**os.environ, "HOST": HOST, **self._stand[COMPANION].settings},
            cwd=self._stand.folder / "empty",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told, _ = await process.communicate()
        if process.returncode:
            self._record.err("index rebuild", told.decode()[-300:])

    async def _rested(self) -> None:
        """Nobody asks anything, until both AI services have unloaded their models."""
        self._record.happened("rest, models unloaded")
        self._pace.going.clear()
        try:
            await until(self._nobody_is_busy, "everybody rests", FOUND)
            limit = self._stand.scale.idle_seconds + SLACK
            for role in (STEADY, OTHER):
                await until(lambda at=role: self._watch.unloaded(at), f"{role} unloads", limit)  # type: ignore[misc]
                self._record.unloads += 1
        finally:
            self._pace.going.set()

    async def _nobody_is_busy(self) -> bool:
        return not self._pace.busy

    def _other(self) -> Server:
        """AI 2, of which no memory is taken any more until it is well again."""
        other = self._stand[OTHER]
        other.up = False
        return other

    async def _back(self, other: Server) -> None:
        began = time.monotonic()
        status = await other.ended()
        if status not in (0, -signal.SIGKILL):
            self._record.err("restart", f"AI 2 ended with status {status}")
        await asyncio.sleep(max(0.0, AWAY - (time.monotonic() - began)))
        self._watch.new_life(OTHER)
        await restarted(self._stand, OTHER)

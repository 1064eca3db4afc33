"""Looks at the servers all the while: memory, open files, and 5xx by their own count.

A 5xx of our own making is any that gateway or companion gave (nothing of Immich's is made to fail,
so none of them is anybody else's), or an AI service that had not been told to end. What AI 2 says
after that is for the gateway to make good, and shows as a loss if it does not. Nothing is counted
that a process said in the moment between the last look and its SIGKILL.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import Counter

import aiohttp

from bench.soak_parts import COMPANION, GATEWAY, OTHER, ROLES, SANDBOX, STEADY
from bench.soak_record import Record, Sample, percentile
from bench.soak_stand import Stand

MINUTE = 60.0
TRACEBACK = 3000
"""Characters of a traceback that are shown."""
_COUNT = re.compile(r'^immich_aio_request_seconds_count\{.*status="5\d\d".*\} (\S+)$', re.MULTILINE)
_SEARCH = re.compile(r'^immich_aio_search_seconds_count\{outcome="(\w+)"\} (\S+)$', re.MULTILINE)
_LOST = re.compile(r"job \w+ of \S+ is lost.*")


class Watch:
    """One who looks; ``every`` minute it tells."""

    def __init__(self, stand: Stand, record: Record) -> None:
        self._stand = stand
        self._record = record
        self._lives: Counter[str] = Counter()
        self._told = 0.0
        self.searches: dict[str, int] = {}
        """Searches by who answered, as the companion counts them."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            began = time.monotonic()
            await self.look()
            if self._record.now >= self._told + MINUTE:
                self._tell()
                self._told = self._record.now
            await asyncio.sleep(max(0.0, self._stand.scale.every - (time.monotonic() - began)))

    async def look(self) -> None:
        """Once."""
        used = {role: self._stand[role].usage() for role in ROLES}
        there = {role: usage for role, usage in used.items() if usage is not None}
        self._record.samples.append(
            Sample(
                self._record.now,
                {role: usage[0] for role, usage in there.items()},
                {role: usage[1] for role, usage in there.items()},
            )
        )
        for role in there:
            if role != SANDBOX:
                await self.count(role)

    async def count(self, role: str) -> None:
        """Take over what a server has counted itself."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            text = await self._stand.metrics(role)
            life = f"{role} {self._lives[role]}"
            self._record.errors[life] = server_errors(text)
            if role == COMPANION:
                self.searches = {name: int(float(one)) for name, one in _SEARCH.findall(text)}

    def new_life(self, role: str) -> None:
        """A server begins to count anew."""
        self._lives[role] += 1

    async def unloaded(self, role: str) -> bool:
        """Whether an AI service has no model in memory."""
        text = await self._stand.metrics(role)
        return all(f"immich_aio_{name}_loaded 0.0" in text for name in ("ocr", "clip", "faces"))

    def immichs_losses(self) -> list[str]:
        """Jobs of the sandbox that failed, as its log tells."""
        return _LOST.findall(self._stand[SANDBOX].log_file.read_text())

    def complaints(self) -> list[str]:
        """The first traceback in what each of our services said."""
        found = []
        for role in ROLES:
            _, word, rest = self._stand[role].log_file.read_text("utf-8").partition("Traceback")
            found += [f"{role}: {word}{rest[:TRACEBACK]}"] if word else []
        return found

    async def left_behind(self) -> str:
        """What the gateway still holds though nobody asks any more; empty if nothing."""
        status = await self._stand.status()
        waiting = status["waiting"]
        assert isinstance(waiting, dict)  # of the gateway's own
        held = {name: waiting[name] for name in ("memory_bytes", "disk_bytes") if waiting[name]}
        return str(held) if held else ""

    def _tell(self) -> None:
        """Print how the last minute was, and what went wrong in it."""
        print(self._line(), flush=True)
        for at, what in sorted([*self._record.lost, *self._record.wrong]):
            if self._told <= at:
                print(f"at {at / MINUTE:.2f} min: {what}", flush=True)

    def _line(self) -> str:
        record = self._record
        answers, samples = record.between(record.now - MINUTE, record.now + 1)
        memory = samples[-1].memory if samples else {}
        parts = [f"{record.now / 60:5.1f} min"]
        parts.append("MB " + " ".join(f"{_short(role)} {mb:.0f}" for role, mb in memory.items()))
        for kind in sorted({one.kind for one in answers}):
            times = sorted(one.seconds * 1e3 for one in answers if one.kind == kind)
            parts.append(f"{kind} {percentile(times, 0.5):.0f}/{percentile(times, 0.95):.0f}")
        counts = (len(record.lost), len(record.wrong), record.own_errors)
        return " · ".join([*parts, "lost {} wrong {} 5xx {}".format(*counts)])


def server_errors(metrics: str) -> int:
    """How many 5xx a server says it has given."""
    return sum(int(float(one)) for one in _COUNT.findall(metrics))


def _short(role: str) -> str:
    return {GATEWAY: "gw", STEADY: "ai1", OTHER: "ai2", COMPANION: "comp", SANDBOX: "sand"}[role]

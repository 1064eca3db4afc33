"""One server under its watchdog."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from immich_aio.errors import UnavailableError
from immich_aio.services.sandbox.embedded.account import OURSELVES

WATCHDOG = Path(__file__).with_name("watchdog.py")
TAIL = 1500
"""How much of a server's log goes into a message, in characters."""


@dataclass(frozen=True, slots=True)
class Command:
    """How to start a server, and how to ask it to end."""

    name: str
    arguments: Sequence[str | Path]
    stop_with: Signals
    user: str = OURSELVES


class Supervised:
    """A running server; ``log`` is the file into which it talks."""

    def __init__(self, command: Command, log: Path, watchdog: asyncio.subprocess.Process) -> None:
        self.command = command
        self.log = log
        self._watchdog = watchdog
        self._ended = asyncio.ensure_future(watchdog.wait())

    @classmethod
    async def start(cls, command: Command, log: Path, *, holding: int | None = None) -> Supervised:
        """Start it. ``holding`` is a file descriptor that stays open until the server has ended."""
        with log.open("ab") as into:
            watchdog = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", WATCHDOG),
                *(str(int(command.stop_with)), command.user, *command.arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=into,
                stderr=into,
                start_new_session=True,  # Ctrl-C is for the sandbox, which stops all in order
                pass_fds=[] if holding is None else [holding],
            )
        return cls(command, log, watchdog)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not self._ended.done()

    @property
    def watchdog_pid(self) -> int:
        """The process id of the watchdog, whose only child is the server."""
        return self._watchdog.pid

    async def ended(self) -> None:
        """Wait until it has ended, whoever ended it."""
        await asyncio.shield(self._ended)

    async def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        if self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
        await self._ended

    def why_not(self) -> UnavailableError:
        """The error to raise where it did not come up: the end of what it said."""
        with contextlib.suppress(OSError):
            said = self.log.read_text("utf-8", "replace")[-TAIL:].strip()
            return UnavailableError(f"{self.command.name} did not start; it said:\n{said}")
        return UnavailableError(f"{self.command.name} did not start.")

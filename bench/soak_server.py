"""A server of the soak: a process of ours that may end and begin again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.product import HOST

GRACE = 60.0
"""Seconds in which a server must end that was asked to."""


@dataclass
class Server:
    """A process of ours that keeps its port and its log when it is started again."""

    name: str
    command: list[str]
    settings: dict[str, str]
    folder: Path
    url: str = ""
    process: subprocess.Popen[bytes] | None = None
    up: bool = False
    """Whether it is there and has not been made to fail."""

    @property
    def log_file(self) -> Path:
        """Everything that it has said, over all its lives."""
        return self.folder / f"{self.name.replace(' ', '-')}.log"

    def start(self) -> None:
        """Start it; it may take a while until it answers."""
        empty = self.folder / "empty"  # no .env is read there
        empty.mkdir(exist_ok=True)
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  # our own tool
                [sys.executable, "-m", "immich_aio", *self.command],
                env={**os.environ, "HOST": HOST, **self.settings},
                cwd=empty,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None  # it was started
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit status, once it has ended."""
        assert self.process is not None  # it was started
        return await asyncio.to_thread(self.process.wait, GRACE)

    def stop(self) -> None:
        """End it, whatever it does."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def usage(self) -> tuple[float, int] | None:
        """Resident memory in MB (10⁶ bytes), and open files; None unless it is up."""
        if not self.up or self.process is None:
            return None
        try:
            process = psutil.Process(self.process.pid)
            return process.memory_info().rss / 1e6, process.num_fds()
        except psutil.Error:
            return None

"""The sandbox as a newcomer starts it, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.acceptance.product import COMMAND, environment
from tests.integration.services.live import Reply, ask
from tests.integration.services.sandbox.test_embedded import runs

PATIENCE = 120


@dataclass
class Sandbox:
    """A sandbox that runs, and what it told of itself."""

    process: subprocess.Popen[bytes]
    data: Path
    log_file: Path

    @property
    def known(self) -> dict[str, str]:
        """The addresses that it left for other programs."""
        found = json.loads((self.data / "running.json").read_text())
        assert isinstance(found, dict)
        return found

    def log(self) -> str:
        """Everything it has said so far."""
        return self.log_file.read_text()

    def family(self) -> list[psutil.Process]:
        """It and everything that it started."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def wait_for(self, words: str, times: int = 1) -> None:
        """Return when it says so, in a log that goes on from start to start."""
        end = time.monotonic() + PATIENCE
        while self.log().count(words) < times:
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)  # it tells nobody but its log

    async def ask(self, path: str, body: object = None) -> Reply:
        """Ask its API with its key."""
        headers = {"x-api-key": self.known["api_key"], "content-type": "application/json"}
        url = f"{self.known['sandbox']}api{path}"
        if body is None:
            return await ask(url, headers=headers)
        return await ask(url, "POST", headers=headers, data=json.dumps(body))

    async def found(self, **body: object) -> set[str]:
        """The names of what a search by filters finds."""
        reply = await self.ask("/search/metadata", body)
        return {item["originalFileName"] for item in reply.json["assets"]["items"]}

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Tell it to end. It must, with all that it started, and without a complaint."""
        processes = self.family()
        self.process.send_signal(number)
        assert self.process.wait(30) == 0, self.log()
        assert not list(filter(runs, processes))
        for complaint in ("Traceback", "Unclosed", "was never retrieved", "Warning:"):
            assert complaint not in self.log(), self.log()


@contextlib.contextmanager
def sandbox(data: Path, *options: str, **settings: str) -> Iterator[Sandbox]:
    """A sandbox that begins to start."""
    log_file = data.with_suffix(".log")
    command = [sys.executable, *COMMAND, "sandbox", "--data", str(data), "--port", "0", *options]
    with log_file.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  # our own tool
            command,
            env=environment({"PORT": "0", "HTTP_PORT": "0", "COMPANION_PORT": "0", **settings}),
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=data.parent,
        )
    try:
        yield Sandbox(process, data, log_file)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()

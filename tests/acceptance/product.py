"""The product as its users run it: ``immich-aio`` in a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from immich_aio.services.sandbox.embedded.free_port import free_port

SAMPLES = Path(__file__).parents[2] / "samples"
RECEIPT = SAMPLES / "receipt.jpg"
COMMAND = ("-m", "immich_aio")
ROLES = "gateway,ai"


@dataclass(frozen=True)
class Service:
    """A running product and how to reach it; ``key`` is its API_AUTH_KEY."""

    url: str
    gateway_url: str
    companion_url: str
    key: str
    process: subprocess.Popen[bytes]
    log_file: Path

    def log(self) -> str:
        """Everything it has said so far."""
        return self.log_file.read_text()

    def stop(self) -> None:
        """Ask it to end, as systemd and Docker do. It must, cleanly and without a complaint."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        assert status == 0, self.log()
        for complaint in ("Traceback", "Unclosed", "was never retrieved", "Warning"):
            assert complaint not in self.log()


@contextlib.contextmanager
def running(
    folder: Path, settings: Mapping[str, str], *, before: Sequence[str] = (), roles: str = ROLES
) -> Iterator[Service]:
    """A product of these settings that answers, started in an empty folder: it reads no ``.env``.

    ``before`` are options of Python.
    """
    ports = {name: str(free_port()) for name in ("HTTP_PORT", "PORT", "COMPANION_PORT")}
    ports["HOST"] = "127.0.0.1"
    chosen = {"API_AUTH_KEY": "a key of our own", **ports, **settings}
    folder.mkdir()
    log_file = folder.with_suffix(".log")
    command = [sys.executable, *before, *COMMAND, "serve", "--roles", roles]
    with log_file.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # our own tool
            command, env=environment(chosen), cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
    names = {"ai": "HTTP_PORT", "gateway": "PORT", "companion": "COMPANION_PORT"}
    urls = {role: f"http://127.0.0.1:{ports[name]}/" for role, name in names.items()}
    service = Service(*urls.values(), chosen["API_AUTH_KEY"], process, log_file)
    try:
        for role in roles.split(","):
            _wait_for(service, urls[role] + ("aio/health" if role == "companion" else "ping"))
        yield service
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def run(
    folder: Path, *arguments: str, before: Sequence[str] = (), **settings: str
) -> subprocess.CompletedProcess[str]:
    """What the command-line tool says, and its exit status; ``before`` are options of Python."""
    return subprocess.run(  # noqa: S603  # our own tool
        [sys.executable, *before, *COMMAND, *arguments],
        env=environment(settings),
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The tests' own environment with these settings, and with every warning shown."""
    return {**os.environ, "PYTHONWARNINGS": "default", **settings}


def _wait_for(service: Service, url: str) -> None:
    """Return when ``url`` answers; fail when the process ends or says nothing for a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert service.process.poll() is None, service.log()
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310  # our own loopback address
            return
        time.sleep(0.05)  # between two tries: nobody tells another process when it is ready
    raise AssertionError(f"{url} did not answer:\n{service.log()}")

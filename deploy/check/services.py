"""Our services as the Compose file starts them: same roles, same variables, but on loopback."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.check import images, secret_files
from deploy.check.compose import DEPLOY, Model
from immich_aio.services.sandbox.embedded.free_port import free_port

PORTS = {
    "ai": (8060, "HTTP_PORT"),
    "gateway": (8080, "PORT"),
    "companion": (2284, "COMPANION_PORT"),
}
"""The port of each service in its container, and the setting that moves it."""

FOLDERS = ("SPILL_FOLDER", "CLIP_DOWNLOAD_ROOT", "FACES_DOWNLOAD_ROOT", "HOME")
PATIENCE = 60


@dataclass(slots=True)
class Stack:
    """Services of a merged Compose file, each in a process of its own below ``folder``.

    Their secrets are made there first, as the Compose file makes them.

    ``elsewhere`` says where on this machine other containers are found, by their name and port.
    """

    model: Model
    folder: Path
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        secret_files.run(self.model, self._secrets)

    def url(self, name: str) -> str:
        """Where a service is."""
        return f"http://127.0.0.1:{self._port(name)}"

    def environment(self, name: str) -> dict[str, str]:
        """What a service's container has: of its image, and of the Compose file over it."""
        service = self.model["services"][name]
        merged = images.environment(service["build"]["target"]) | service["environment"]
        here = {key: self._here(value) for key, value in merged.items() if key != "PATH"}
        moved = {key: str(self.folder / name / key.lower()) for key in FOLDERS}
        return {**here, **moved, "HOST": "127.0.0.1", PORTS[name][1]: str(self._port(name))}

    def log(self, name: str) -> str:
        """What it has said so far."""
        return (self.folder / name / "log").read_text()

    @contextlib.contextmanager
    def running(self, name: str, program: Path | None = None) -> Iterator[None]:
        """Start one, with ``program`` as its immich-aio; it must become healthy, as its image asks.

        Raises AssertionError, with its log, where it does not.
        """
        work = self.folder / name
        for folder in FOLDERS:
            (work / folder.lower()).mkdir(parents=True)
        entry = [str(program)] if program else [sys.executable, "-m", "immich_aio"]
        arguments = self.model["services"][name].get("command")
        if arguments is None:
            arguments = images.command(self.model["services"][name]["build"]["target"])[1:]
        environment = {**_neutral(), **self.environment(name)}
        with (work / "log").open("wb") as log:
            process = subprocess.Popen(
                [*entry, *arguments],
                env=environment,
                cwd=work,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._until_healthy(name, process, environment)
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)

    def _until_healthy(
        self, name: str, process: subprocess.Popen[bytes], environment: dict[str, str]
    ) -> None:
        check = [sys.executable, "-S", str(DEPLOY / "healthy.py")]
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            assert process.poll() is None, self.log(name)
            asked = subprocess.run(check, env=environment, capture_output=True, check=False)
            if asked.returncode == 0:
                return
            time.sleep(0.1)  # between two tries: nobody tells another process when it is ready
        raise AssertionError(f"{name} does not become healthy:\n{self.log(name)}")

    def _here(self, value: str) -> str:
        for name, (port, _) in PORTS.items():
            for host in (name, "127.0.0.1"):
                value = value.replace(f"http://{host}:{port}", self.url(name))
        for there, here in self.elsewhere.items():
            value = value.replace(there, here)
        if value.startswith(secret_files.HERE):
            return str(self._secrets / value.removeprefix(secret_files.HERE))
        return value

    @property
    def _secrets(self) -> Path:
        return self.folder / "secrets"

    def _port(self, name: str) -> int:
        if name not in self.ports:
            self.ports[name] = free_port()
        return self.ports[name]


def _neutral() -> dict[str, str]:
    """Of this machine's environment what is no setting of ours."""
    kept = ("PATH", "LANG", "PYTHONWARNINGS", "HF_ENDPOINT", "MODELSCOPE_ENDPOINT")
    return {name: os.environ[name] for name in kept if name in os.environ}

"""What the soak runs: our services in processes of their own, and a miniature of Immich.

``gateway`` → ``AI 1`` and ``AI 2``; ``companion`` → ``sandbox``, whose own jobs go to that gateway.
AI 1 lives from the beginning to the end, so that a leak of it shows; AI 2 is what is killed, hung
and replaced. All models are random or drawn ones with the real layers, unless they are to be small.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.resources
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil

from bench.checkpoints import write_random_checkpoint
from bench.face_networks import write_pack
from bench.product import HOST, free_port
from immich_aio.engines.clip.architecture import OFFICIAL
from immich_aio.services.sandbox.sample_library import SAMPLES
from immich_aio.services.sandbox.smart_model import CHECKPOINT

PATIENCE = 180.0
"""Seconds in which a server must answer after its start."""
GRACE = 60.0
"""Seconds in which a server must end that was asked to."""

PHOTOS = (
    "invoice-hangzhou.jpg",
    "bridge-sign.jpg",
    "exit.jpg",
    "coffee.jpg",
    "forest.jpg",
    "invoice-hotel.jpg",
    "train-ticket.jpg",
    "noodle-menu.jpg",
    "taipei-station.jpg",
    "whiteboard.jpg",
    "boarding-pass.jpg",
    "beach.jpg",
)
"""The sandbox's library."""

GATEWAY, STEADY, OTHER, COMPANION, SANDBOX = "gateway", "AI 1", "AI 2", "companion", "sandbox"
ROLES = (GATEWAY, STEADY, OTHER, COMPANION, SANDBOX)


@dataclass(frozen=True, slots=True)
class Scale:
    """How large and how patient everything is; ``pace`` multiplies the pauses between requests."""

    photos: int
    small_models: bool
    idle_seconds: float
    timeout: float
    hung_seconds: float
    pace: float
    every: float
    """Seconds between two looks at memory."""


LONG = Scale(12, False, 30, 20, 30, 1.0, 5.0)
SHORT = Scale(5, True, 2, 6, 7, 0.25, 1.0)


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


@dataclass
class Stand:
    """All servers by their roles, the sandbox's addresses, and who asks them."""

    servers: dict[str, Server]
    session: aiohttp.ClientSession
    scale: Scale
    folder: Path
    known: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, role: str) -> Server:
        return self.servers[role]

    async def status(self) -> dict[str, object]:
        """What the gateway says of itself."""
        async with self.session.get(f"{self[GATEWAY].url}/status") as response:
            found: dict[str, object] = await response.json()
            return found

    async def metrics(self, role: str, seconds: float = 5) -> str:
        """What a server says in numbers."""
        prefix = "aio/" if role == COMPANION else ""
        limit = aiohttp.ClientTimeout(seconds)
        url = f"{self[role].url}/{prefix}metrics"
        async with self.session.get(url, timeout=limit) as response:
            return await response.text()

    async def answers(self, role: str) -> bool:
        """Whether a server answers."""
        path = "aio/health" if role == COMPANION else "ping"
        async with self.session.get(f"{self[role].url}/{path}") as response:
            return response.status == 200

    async def all_backends_work(self) -> bool:
        """Whether the gateway gives work to both AI services."""
        backends = (await self.status())["backends"]
        assert isinstance(backends, list)  # of the gateway's own
        lanes = [lane for backend in backends for lane in backend["tasks"]]
        return all(backend["reachable"] for backend in backends) and all(
            lane["breaker"] == "closed" for lane in lanes
        )


@contextlib.asynccontextmanager
async def standing(folder: Path, scale: Scale) -> AsyncIterator[Stand]:
    """Start everything; the sandbox has read its photos, and the companion searches them."""
    servers = _servers(folder, scale)
    connector = aiohttp.TCPConnector(limit=0)
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            stand = Stand(servers, session, scale, folder)
            for role in (GATEWAY, STEADY, OTHER, SANDBOX):
                stand[role].start()
            for role in (GATEWAY, STEADY, OTHER):
                await _started(stand, role)
            await _know_sandbox(stand)
            _before_sandbox(stand)
            stand[COMPANION].start()
            await _started(stand, COMPANION)
            await until(lambda: _read(stand), "the sandbox has read its photos")
            stand[SANDBOX].up = True
            await until(lambda: _searches(stand), "the companion searches")
            await until(stand.all_backends_work, "both AI services get work")
            yield stand
    finally:
        for server in reversed(servers.values()):  # what asks before what is asked
            await asyncio.to_thread(server.stop)


async def until(holds: Callable[[], Awaitable[bool]], what: str, seconds: float = PATIENCE) -> None:
    """Return when it holds. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, KeyError):
            if await holds():
                return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"Not within {seconds:g} s: {what}.")


async def _started(stand: Stand, role: str) -> None:
    await until(lambda: stand.answers(role), f"{role} answers")
    stand[role].up = True


async def restarted(stand: Stand, role: str) -> None:
    """Start a server again, and return when the gateway gives it work."""
    stand[role].start()
    await _started(stand, role)
    await until(stand.all_backends_work, f"the gateway gives work to {role}")


def _servers(folder: Path, scale: Scale) -> dict[str, Server]:
    """In the order in which they are started."""
    made: dict[str, Server] = {}

    def add(role: str, command: list[str], settings: dict[str, str], port: int = 0) -> None:
        made[role] = Server(role, command, settings, folder, f"http://{HOST}:{port}")

    settings = _ai_settings(folder, scale)
    for role in (STEADY, OTHER):
        port = free_port()
        add(role, ["serve", "--roles", "ai"], settings | {"HTTP_PORT": str(port)}, port)
    port, config = free_port(), folder / "gateway.toml"
    config.write_text(_gateway_config(made[STEADY].url, made[OTHER].url, settings, scale))
    # A cache of few texts, so that most of them are asked for.
    gateway = {"PORT": str(port), "GATEWAY_CONFIG": str(config), "TEXT_CACHE": "16"}
    add(GATEWAY, ["serve", "--roles", "gateway"], gateway, port)
    add(SANDBOX, *_sandbox(folder, scale, made[GATEWAY].url))
    companion = free_port()
    add(COMPANION, ["serve", "--roles", "companion"], {"COMPANION_PORT": str(companion)}, companion)
    return made


def _ai_settings(folder: Path, scale: Scale) -> dict[str, str]:
    clip, faces = folder / "clip", folder / "faces"
    clip.mkdir()
    write_pack(faces / "buffalo_l", large=not scale.small_models)
    model = "colours" if scale.small_models else "ViT-B-16"
    if scale.small_models:
        with importlib.resources.as_file(CHECKPOINT) as file:
            shutil.copyfile(file, clip / f"{model}.pt")
    else:
        write_random_checkpoint(clip / "clip_cn_vit-b-16.pt", OFFICIAL[model])
    return {
        "CLIP_MODEL": model,
        "CLIP_DOWNLOAD_ROOT": str(clip),
        "FACES_FROM": "here",
        "FACES_DOWNLOAD_ROOT": str(faces),
        "ACCEPT_FACES_LICENSE": "on",
        "MODEL_DOWNLOAD": "off",
        "MODEL_TTL": f"{scale.idle_seconds:g}",
    }


def _gateway_config(one: str, two: str, settings: dict[str, str], scale: Scale) -> str:
    model = f'clip_model = "{settings["CLIP_MODEL"]}", face_pack = "buffalo_l"'
    rest = f"{model}, limit = 4, timeout = {scale.timeout:g}"
    return f"""
        [backends]
        one = {{ kind = "mt-photos", url = "{one}", {rest} }}
        two = {{ kind = "mt-photos", url = "{two}", {rest} }}
        [[routes]]
        order = [["one", "two"]]
    """


def _sandbox(folder: Path, scale: Scale, gateway: str) -> tuple[list[str], dict[str, str]]:
    """Its own gateway passes everything on to ours, and its own engines have nothing to do."""
    folder.chmod(0o755)  # root's PostgreSQL runs as somebody else, who must come there
    photos, config = folder / "photos", folder / "passing-on.toml"
    photos.mkdir()
    for name in PHOTOS[: scale.photos]:
        with importlib.resources.as_file(SAMPLES / name) as file:
            shutil.copyfile(file, photos / name)
    backend = f'[backends.front]\nkind = "immich"\nurl = "{gateway}"\ntimeout = 900\n'
    config.write_text(f'{backend}[[routes]]\norder = ["front"]\n')
    data = str(folder / "sandbox")
    command = ["sandbox", "--photos", str(photos), "--data", data, "--port", "0"]
    ports = {"PORT": "0", "HTTP_PORT": "0", "COMPANION_PORT": "0"}
    behind = {"GATEWAY_CONFIG": str(config), "IMMICH_API": gateway, "MODEL_PRELOAD": "none"}
    return command, ports | behind


async def _know_sandbox(stand: Stand) -> None:
    """Wait for the sandbox's addresses."""
    file = stand.folder / "sandbox" / "running.json"

    async def there() -> bool:
        stand.known.update(json.loads(file.read_text()))
        return True

    await until(there, "the sandbox runs")


def _before_sandbox(stand: Stand) -> None:
    """Have the companion stand before the sandbox."""
    stand[SANDBOX].url = stand.known["sandbox"].rstrip("/")
    stand[COMPANION].settings |= {
        "IMMICH_URL": stand[SANDBOX].url,
        "DB_URL": stand.known["database"],
        "REDIS_URL": stand.known["redis"],
        "SEARCH_ML_URL": stand[GATEWAY].url,
    }


async def _read(stand: Stand) -> bool:
    return "Ready after" in stand[SANDBOX].log_file.read_text()


async def _searches(stand: Stand) -> bool:
    return "immich_aio_search_ready 1.0" in await stand.metrics(COMPANION)

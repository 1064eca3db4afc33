"""What the soak runs: our services in processes of their own, and a miniature of Immich.

``gateway`` → ``AI 1`` and ``AI 2``; ``companion`` → ``sandbox``, whose own jobs go to that gateway.
AI 1 lives from the beginning to the end, so that a leak of it shows; AI 2 is what is killed, hung
and replaced. All models are random or drawn ones with the real layers, unless they are to be small.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from bench.soak_parts import COMPANION, GATEWAY, OTHER, SANDBOX, STEADY, Scale, servers_in
from bench.soak_server import Server

PATIENCE = 180.0
"""Seconds in which a server must answer after its start."""


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
    servers = servers_in(folder, scale)
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

"""The product as its users run it: ``immich-aio serve`` in processes of its own, on loopback."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from immich_aio.services.sandbox.embedded.free_port import free_port

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Product:
    """A running product: where its services listen, and its process."""

    gateway: str
    ai: str
    companion: str
    process: psutil.Process

    @property
    def resident_mb(self) -> float:
        """Resident memory, in MB (10⁶ bytes), of the process and all it started."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(one.memory_info().rss for one in family) / 1e6


@contextlib.contextmanager
def running(settings: dict[str, str], roles: str = "gateway,ai") -> Iterator[Product]:
    """Start the product, or a part of it, with these settings; it is stopped on leaving."""
    gateway, ai, companion = free_port(), free_port(), free_port()
    ports = {"PORT": str(gateway), "HTTP_PORT": str(ai), "COMPANION_PORT": str(companion)}
    with tempfile.TemporaryDirectory() as empty:  # so that no .env is read
        command = [sys.executable, "-m", "immich_aio", "serve", "--roles", roles]
        environment = {**os.environ, "LOG_LEVEL": "warning", "HOST": HOST, **ports, **settings}
        child = subprocess.Popen(command, env=environment, cwd=empty)  # noqa: S603  # our own tool
        try:
            urls = [f"http://{HOST}:{port}" for port in (gateway, ai, companion)]
            product = Product(*urls, psutil.Process(child.pid))
            _wait(_first_sign(product, roles), child)
            yield product
        finally:
            child.terminate()
            child.wait(60)


@contextlib.contextmanager
def server(module: str) -> Iterator[str]:
    """A server in a process of its own, which takes its port as an argument; yields its address."""
    port = free_port()
    command = [sys.executable, "-m", module, str(port)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1])  # noqa: S603  # our own
    try:
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        process.wait(60)


def _first_sign(product: Product, roles: str) -> str:
    """An address that answers as soon as the product does."""
    if "gateway" in roles:
        return f"{product.gateway}/ping"
    return f"{product.ai}/ping" if "ai" in roles.split(",") else f"{product.companion}/aio/health"


def _wait(url: str, child: subprocess.Popen[bytes], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if child.poll() is not None:
            raise RuntimeError(f"the product stopped with status {child.returncode}")
        with contextlib.suppress(urllib.error.URLError):
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310  # our own loopback address
            return
        time.sleep(0.1)
    raise TimeoutError(f"{url} did not answer within {seconds} s")

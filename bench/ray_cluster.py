"""A cluster of Ray nodes on one machine: each is a ``ray start`` of its own, at its own loopback
address, so that one can be killed as if its machine had lost its power.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from immich_aio.services.sandbox.embedded.free_port import free_port

OBJECT_STORE = 100_000_000
"""Bytes of shared memory a node: an upload takes part of it while it is on its way."""

PATIENCE = 90
ROOT = Path(__file__).parents[1]


@dataclass
class Node:
    """One ``ray start``, and with it a raylet and all its workers."""

    process: subprocess.Popen[bytes]

    def family(self) -> list[psutil.Process]:
        """All its processes, itself last."""
        with contextlib.suppress(psutil.NoSuchProcess):
            own = psutil.Process(self.process.pid)
            return [*own.children(recursive=True), own]
        return []

    def kill(self) -> None:
        """End all of it at once, without a farewell."""
        family = self.family()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()  # so that nobody sees the others go first
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, 30)
        self.process.wait(30)


@dataclass
class Cluster:
    """A head, further nodes, where they answer, and what all have in their environment."""

    folder: Path
    address: str
    port: int
    settings: Mapping[str, str]
    nodes: list[Node] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where its ingress listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def resident_mb(self) -> float:
        """Resident memory of all its processes, in MB (10⁶ bytes); shared pages count each time."""
        return sum(one.memory_info().rss for node in self.nodes for one in node.family()) / 1e6

    def join(self, cpus: int, *, head: bool = False) -> Node:
        """Start a node; nothing of it is reachable from another machine but by the token."""
        own = f"127.0.0.{len(self.nodes) + 2}"
        first = (
            "--head",
            f"--port={self.address.partition(':')[2]}",
            f"--temp-dir={self.folder}",
            f"--ray-client-server-port={free_port()}",
            "--include-dashboard=false",
        )
        where = first if head else (f"--address={self.address}",)
        log = (self.folder / f"node{len(self.nodes)}.log").open("wb")
        with log:
            process = subprocess.Popen(  # noqa: S603  # our own tool
                self._command(
                    "ray",
                    "start",
                    "--block",
                    *where,
                    f"--node-ip-address={own}",
                    f"--num-cpus={cpus}",
                    f"--object-store-memory={OBJECT_STORE}",
                    "--include-log-monitor=false",
                ),
                env=self._environment(),
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        node = Node(process)
        self.nodes.append(node)
        return node

    def deploy(self, config: Path) -> None:
        """Have the application run as the file says; returns when it does, on all nodes."""
        self.run("serve", "run", "--non-blocking", str(config))
        self.settle()

    def settle(self) -> None:
        """Wait until every deployment is as it is wanted, and every node there."""
        self._done(sys.executable, "-m", "bench.ray_status", str(len(self.nodes)))

    def run(self, *arguments: str) -> str:
        """One of ``immich-aio cluster``'s commands, to its end; what it printed."""
        return self._done(*self._command(*arguments))

    def _done(self, *command: str) -> str:
        done = subprocess.run(  # noqa: S603  # our own tool
            command,
            env=self._environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stdout}{done.stderr}\n{self.logs()}")
        return done.stdout

    def logs(self) -> str:
        """What the nodes said when they started."""
        return "\n".join(file.read_text() for file in sorted(self.folder.glob("node*.log")))

    def _command(self, *arguments: str) -> Sequence[str]:
        return [sys.executable, "-m", "immich_aio", "cluster", *arguments]

    def _environment(self) -> Mapping[str, str]:
        # Python's warnings in Ray's own processes are Ray's affair.
        own = {"RAY_ADDRESS": self.address, "PYTHONWARNINGS": "ignore"}
        return {**os.environ, **self.settings, **own, "PYTHONPATH": str(ROOT)}


@contextlib.contextmanager
def cluster(cpus: Sequence[int], settings: Mapping[str, str]) -> Iterator[Cluster]:
    """A cluster of nodes of so many cores each, of which there need not be as many in truth."""
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    port = free_port()
    # Ray makes sockets below it, whose paths may not be long.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        made = Cluster(
            Path(folder),
            f"127.0.0.2:{free_port()}",
            port,
            {**settings, **token, "HTTP_PORT": str(port)},
        )
        try:
            made.join(cpus[0], head=True)
            _until_it_runs(made)
            for each in cpus[1:]:
                made.join(each)
            yield made
        finally:
            for node in made.nodes[::-1]:
                node.kill()


def _until_it_runs(made: Cluster) -> None:
    end = time.monotonic() + PATIENCE
    while "Ray runtime started" not in made.logs():
        if made.nodes[0].process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"Ray did not start:\n{made.logs()}")
        time.sleep(0.1)

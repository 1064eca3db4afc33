"""A baseline in a process of its own, in an environment that the product does not need."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def baseline_process(
    name: str, *arguments: Path, quiet: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """Start ``bench/NAME_baseline.py`` by the Python that ``./aio bench NAME`` has set up for it.

    It is asked on its standard input and answers on its output; ``quiet`` leaves out what else it
    says. It is stopped on leaving.
    """
    python = os.environ.get("AIO_REFERENCE_PYTHON")
    if python is None:
        raise SystemExit(f"Run it as ./aio bench {name}: that sets up what it is compared with.")
    root = Path(__file__).parents[1]
    process = subprocess.Popen(  # noqa: S603  # our own module
        [python, "-m", f"bench.{name}_baseline", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet else None,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)

"""Ray's own programs, started so that they report to nobody and obey nobody else."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from immich_aio.errors import UnavailableError

QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}
"""Ray reports who uses it how, unless it is told not to when it is started."""

GUARDED = {"RAY_AUTH_MODE": "token"}
"""Whoever reaches a cluster can have it run anything, unless a token is asked for: RAY_AUTH_MODE is
for those who want it otherwise.
"""


def require_ray() -> None:
    """Raises UnavailableError where the extra is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise UnavailableError("Ray is not installed here: pip install 'immich-aio[cpu,ray]'.")


def become(module: str, arguments: Sequence[str]) -> NoReturn:
    """Go on as that program: signals, output and exit status are its own."""
    require_ray()
    # -P: a folder that has a ray.py in it is no place to look for Ray.
    command = [sys.executable, "-P", "-m", module, *arguments]
    os.execve(sys.executable, command, environment())  # noqa: S606  # no shell is wanted


def environment() -> dict[str, str]:
    """That in which they are started."""
    return {**GUARDED, **os.environ, **QUIET}

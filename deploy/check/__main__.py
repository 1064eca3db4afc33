"""``./aio deploy-check [WHAT …]``: each check by itself, or all; ends with 1 where one fails."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from deploy.check import compose, dashboard, installed, lint, monitoring, proxies, s3, secret_files

CHECKS: dict[str, Callable[[], str]] = {
    "compose": compose.check,
    "secrets": secret_files.check,
    "dockerfiles": lint.dockerfiles,
    "scripts": lint.scripts,
    "units": lint.units,
    "proxies": proxies.check,
    "dashboard": dashboard.check,
    "monitoring": monitoring.check,
    "s3": s3.walk,
    "install-slim": installed.slim,
    "install-cpu": installed.cpu,
    "install-arm64": installed.arm64,
}
ON_REQUEST: dict[str, Callable[[], str]] = {"install-cuda": installed.cuda}
"""Several gigabytes."""


def main(names: Sequence[str]) -> int:
    """Run the checks of these names; the exit status."""
    known = CHECKS | ON_REQUEST
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"There is no check {', '.join(unknown)}: {', '.join(known)}.")
        return 2
    failed = 0
    for name in names or CHECKS:
        began = time.monotonic()
        try:
            mark, found = "ok", known[name]()
        except Exception as error:  # noqa: BLE001  # whatever it is, the others are still checked
            mark, found = "FAILED", f"{type(error).__name__}: {error}"
            failed += 1
        print(f"{mark:<7}{name:<14}{time.monotonic() - began:5.0f} s  {found}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Whom a server runs as. PostgreSQL refuses to run as root, so root lends it to someone else."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

from immich_aio.errors import UnavailableError

OURSELVES = "-"
CANDIDATES = ("postgres", "nobody")


def unprivileged() -> str:
    """OURSELVES, or as root an account without rights. Raises UnavailableError if there is none."""
    if os.geteuid() != 0:
        return OURSELVES
    for name in CANDIDATES:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise UnavailableError(
        "PostgreSQL does not run as root, and there is no account 'nobody' to run it: start the "
        "sandbox as another user."
    )


def hand_over(folder: Path, user: str) -> None:
    """Make the folder that user's. Raises UnavailableError where they cannot come there."""
    if user == OURSELVES:
        return
    shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
    if closed := closed_to_others(folder.parent):
        raise UnavailableError(
            f"Root's PostgreSQL runs as '{user}', who cannot come into {closed}: choose another "
            "folder with --data, such as /var/tmp/sandbox."
        )


def closed_to_others(path: Path) -> Path | None:
    """The outermost folder on the way that others may not enter, or None."""
    for folder in [*reversed(path.resolve().parents), path.resolve()]:
        if not folder.stat().st_mode & 0o001:
            return folder
    return None

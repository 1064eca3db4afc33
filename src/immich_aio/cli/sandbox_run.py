"""Puts a sandbox together: the miniature, before it the companion, and the services behind it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from pydantic import SecretStr
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from immich_aio.cli.compose import Product, product
from immich_aio.cli.sandbox_addresses import Addresses, Doors
from immich_aio.domain.immich import Shape
from immich_aio.services.http import serving
from immich_aio.services.sandbox.embedded.data_folder import DataFolder, default_folder
from immich_aio.services.sandbox.own_photos import import_photos, photos_in
from immich_aio.services.sandbox.sample_library import Filler
from immich_aio.services.sandbox.smart_model import SmartModel
from immich_aio.services.sandbox.stand import DATABASE, Stand, standing
from immich_aio.services.sandbox.synthetic import fill_synthetic
from immich_aio.settings import Settings

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
    settings = Settings.load()
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(message)s",
        handlers=[_ConsoleHandler(console)],
    )
    files = [] if wish.photos is None else photos_in(wish.photos)
    with _told_to_end() as ending, Doors(settings, wish.port) as doors:
        folder = await DataFolder.take(wish.folder)
        try:
            async with standing(folder, Shape(wish.immich), doors.gateway.rstrip("/")) as stand:
                await _Host(wish, files, doors, stand, console, ending).serve()
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


async def _cancelled(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel until all have ended: a library on the way may swallow the first time."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.1)


class _Host:
    """A sandbox that stands: served, filled, read and shown."""

    def __init__(
        self,
        wish: Wish,
        files: list[Path],
        doors: Doors,
        stand: Stand,
        console: Console,
        ending: _Ending,
    ) -> None:
        self._wish = wish
        self._files = files
        self._doors = doors
        self._stand = stand
        self._model = SmartModel(doors.settings, stand.folder.folder("models"))
        self._console = console
        self._ending = ending
        self._began = time.monotonic()
        self._filler = Filler(stand.parts.data, stand.parts.library, stand.folder.credentials)

    async def serve(self) -> None:
        """Serve companion, gateway, AI service and miniature until told to end."""
        settings = self._with_immich(await asyncio.to_thread(self._model.settings))
        made = product(settings, frozenset({"gateway", "ai", "companion"}))
        listeners = self._doors.listeners(made.listeners, self._stand.miniature.app)
        try:
            await serving.serve(
                listeners, log_level=settings.log_level, meanwhile=lambda: self._meanwhile(made)
            )
        finally:
            await made.close()

    def _with_immich(self, settings: Settings) -> Settings:
        """The settings with the miniature as the Immich that the companion stands before."""
        return settings.model_copy(
            update={
                "immich_url": self._doors.sandbox.rstrip("/"),
                "db_url": SecretStr(self._stand.postgres.url(DATABASE)),
                "redis_url": SecretStr(self._stand.redis.url),
                "search_ml_url": self._doors.gateway.rstrip("/"),
            }
        )

    async def _meanwhile(self, made: Product) -> None:
        """Fill the library and work, while everything is served."""
        self._ending.in_order = True
        addresses = Addresses.of(self._doors, self._stand)
        ways = (self._ending.told.wait(), self._stand.failed(), self._fill(addresses))
        tasks = [asyncio.create_task(way) for way in ways]
        try:
            with addresses.announced(self._stand.folder.path / "running.json"):
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _cancelled(tasks)
            await made.stop_waiting()
            await self._stand.worker.close()  # jobs that run still have their gateway

    async def _fill(self, addresses: Addresses) -> NoReturn:
        await self._filler.fill(with_photos=self._wish.photos is None and not self._wish.assets)
        addresses.show(self._console, self._wish.immich, str(self._model))
        if self._files:
            await self._import()
        if self._wish.assets:
            await self._synthesise()
        elif self._model.is_another:
            await self._stand.forget_vectors()
            self._model.remember()
        # What waits since the last time goes on by itself.
        if not await self._stand.jobs_left():
            await self._stand.parts.library.queue(await self._filler.unread())
        self._stand.start_worker()
        await self._read()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets that")

    async def _import(self) -> None:
        filler, library = self._filler, self._stand.parts.library
        owner = await filler.admin()
        known = await filler.known_files(owner)
        with Progress(console=self._console, transient=True) as progress:
            task = progress.add_task("looking at photos", total=len(self._files))
            passed_over = await import_photos(
                library, owner, self._files, known, lambda: progress.advance(task)
            )
        for path, reason in passed_over.items():
            # As Text, for a file's name may look like markup.
            self._console.print(Text(f"passed over: {path}: {reason}", style="yellow"))

    async def _synthesise(self) -> None:
        owner, data = await self._filler.admin(), self._stand.parts.data
        with Progress(console=self._console, transient=True) as progress:
            task = progress.add_task("making assets", total=self._wish.assets)
            made = await fill_synthetic(
                data, owner, self._wish.assets, lambda count: progress.advance(task, count)
            )
        if made is not None:
            self._console.print(str(made))

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
            told = f"{count} {name} jobs came to nothing, as in Immich; the reason is above."
            self._console.print(Text(told))
        seconds = time.monotonic() - self._began
        self._console.print(Text(f"Ready after {seconds:.1f} s. Ctrl-C ends it.", style="bold"))

"""What ``immich-aio index`` does."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from immich_aio.cli.immich_database import connected, immich_database
from immich_aio.settings import Settings
from immich_aio.store.database import Database
from immich_aio.store.immich_guard import ImmichTables
from immich_aio.store.index_sync import Advance, IndexSync, SyncReport
from immich_aio.store.migration import migrate
from immich_aio.store.text.segmentation import choose_segmenter
from immich_aio.store.text_index import IndexStatus, drop_index, index_status


async def status(settings: Settings) -> None:
    """Print the index in figures."""
    async with immich_database(settings) as (database, tables):
        found = await index_status(database)
        if found is None or found.segmenter is None:
            _write("There is no text index yet. Run 'immich-aio index sync' to make it.")
            return
        sync = IndexSync(database, tables, await choose_segmenter(database, "auto"))
        lines = _lines(found, await sync.behind(), settings, tables)
    _write(*(f"{name:<11}{value}" for name, value in lines))


async def sync(settings: Settings, *, follow: bool) -> None:
    """Compare, take over, and print what that came to; with ``follow``, go on until cancelled."""
    async with _following(settings) as one:
        _write(_told(await one.once(sweep=True)))
        if follow:
            logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(message)s")
            _write("Following Immich; Ctrl-C ends it.")
            await one.run(settings.search_sync_interval)


async def rebuild(settings: Settings) -> None:
    """Make the index anew under a progress bar."""
    async with _following(settings) as one:
        with _bar() as advance:
            report = await one.rebuild(advance)
        _write(_told(report))


async def drop(settings: Settings) -> None:
    """Remove the schema, also where Immich's tables are not known."""
    async with connected(settings) as database:
        if not await drop_index(database):
            _write("There is no schema immich_aio, so nothing was removed.")
            return
    _write("The schema immich_aio is removed. Nothing of ours is left in Immich's database.")


@asynccontextmanager
async def _following(settings: Settings) -> AsyncIterator[IndexSync]:
    async with immich_database(settings) as (database, tables):
        await migrate(database)
        yield await _sync(database, tables, settings)


async def _sync(database: Database, tables: ImmichTables, settings: Settings) -> IndexSync:
    segmenter = await choose_segmenter(database, settings.search_segmenter)
    return IndexSync(database, tables, segmenter)


def _told(report: SyncReport) -> str:
    if report.elsewhere:
        return "Another process is following Immich just now; nothing is left to do here."
    if report.rebuilt:
        return f"The text index is made: {report.written:,} photos with text."
    return f"{report.written:,} photos were read anew, {report.removed:,} taken out."


def _lines(
    found: IndexStatus, behind: int, settings: Settings, tables: ImmichTables
) -> list[tuple[str, str]]:
    followed = (
        "never" if found.followed_at is None else f"{found.followed_at:%Y-%m-%d %H:%M:%S} UTC"
    )
    wish = settings.search_segmenter
    return [
        ("photos", f"{found.documents:,} with text"),
        ("size", f"{found.bytes / 1e6:,.1f} MB in the schema immich_aio"),
        ("segmenter", f"{found.segmenter} (SEARCH_SEGMENTER is {wish})"),
        ("format", f"{found.format} (schema {found.form})"),
        ("changed", followed),
        ("behind", f"{behind:,} photos" if behind else "nothing: as Immich has it"),
        ("Immich", f"tables of {tables.shape.value}, vectors of {tables.dimensions} numbers"),
    ]


@contextmanager
def _bar() -> Iterator[Advance]:
    """Show how far it is, on a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _write(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()

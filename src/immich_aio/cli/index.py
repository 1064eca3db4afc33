"""``immich-aio index``: the text index that search keeps in Immich's database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import Annotated, Any

import typer

from immich_aio.errors import UnavailableError
from immich_aio.settings import Settings

app = typer.Typer(
    help="The text index of search: a schema of its own in Immich's database.",
    no_args_is_help=True,
)


@app.command()
def status() -> None:
    """Show what is in the index, by what it was made, and whether it has kept up with Immich."""
    _run(lambda runs: runs.status(Settings.load()))


@app.command()
def sync(
    follow: Annotated[bool, typer.Option("--follow", help="Go on following until Ctrl-C.")] = False,
) -> None:
    """Compare everything with Immich and take over what has changed."""
    _run(lambda runs: runs.sync(Settings.load(), follow=follow))


@app.command()
def rebuild() -> None:
    """Make the index anew; the old one serves until the new one is whole."""
    _run(lambda runs: runs.rebuild(Settings.load()))


@app.command()
def drop(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take everything of ours out of Immich's database: the schema immich_aio."""
    if not yes:
        typer.confirm(
            "Remove the schema immich_aio, with the text index, from Immich's database?",
            abort=True,
        )
    _run(lambda runs: runs.drop(Settings.load()))


def _run(command: Callable[[ModuleType], Coroutine[Any, Any, None]]) -> None:
    # Imported here, for the tool must start where the parts of search are not installed.
    try:
        from immich_aio.cli import index_run  # noqa: PLC0415
    except ImportError as error:
        raise UnavailableError(
            f"Search cannot run here ({error}): pip install 'immich-aio[search]'."
        ) from None
    asyncio.run(command(index_run))

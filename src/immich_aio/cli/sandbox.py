"""``immich-aio sandbox``."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from immich_aio.errors import BadInputError, UnavailableError


def sandbox(
    photos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Your own photos instead of the samples; they are only read."
        ),
    ] = None,
    assets: Annotated[
        int, typer.Option(metavar="N", min=0, help="N made-up assets, for benchmarks, instead.")
    ] = 0,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where everything is kept; by default in your cache folder."
        ),
    ] = None,
    immich: Annotated[
        Literal["3.1", "2.2"], typer.Option(help="Whose tables and replies are imitated.")
    ] = "3.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the miniature; another if it is taken.")
    ] = 2283,
) -> None:
    """Start a miniature of Immich with the companion before it, and all that works behind it."""
    if photos is not None and assets:
        raise BadInputError("--photos and --assets exclude each other.")
    # Imported here, for the tool must start where the sandbox's parts are not installed.
    try:
        from immich_aio.cli import sandbox_run  # noqa: PLC0415
    except ImportError as error:
        raise UnavailableError(
            f"The sandbox cannot run here ({error}): pip install 'immich-aio[cpu,sandbox]'."
        ) from None
    wish = sandbox_run.Wish(photos, assets, data, immich, port)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(sandbox_run.run(wish))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The loop that ``serve`` uses too, where there is one."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop  # noqa: PLC0415  # there is none for Windows

    return uvloop.new_event_loop

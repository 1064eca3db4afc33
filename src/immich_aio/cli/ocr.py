"""``immich-aio ocr``."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from immich_aio.cli.compose import ocr_engine
from immich_aio.domain.results import OcrResult
from immich_aio.domain.tasks import OcrOptions
from immich_aio.engines.protocol import OcrReader
from immich_aio.errors import AioError, BadInputError
from immich_aio.settings import Settings

OPTIONS = OcrOptions(min_box_score=0.5, min_text_score=0.5)


def ocr(
    files: Annotated[list[Path], typer.Argument(help="Images to read.", metavar="FILE…")],
    as_json: Annotated[
        bool, typer.Option("--json", help="One line of JSON an image, with boxes and scores.")
    ] = False,
) -> None:
    """Print the text of images, in reading order."""
    failed = asyncio.run(_read_all(files, as_json=as_json))
    if failed:
        raise typer.Exit(1)


async def _read_all(files: list[Path], *, as_json: bool) -> int:
    """Read every file, as many at once as there are workers; how many could not be read."""
    # The queue's limit protects a service from its callers; here `slots` bounds what is in memory.
    settings = Settings.load().model_copy(update={"ocr_queue_size": len(files)})
    engine = ocr_engine(settings)
    slots = asyncio.Semaphore(engine.health().workers * 2)
    tasks = [asyncio.create_task(_read(engine, file, slots)) for file in files]
    failed = 0
    console = Console(stderr=True)
    try:
        with Progress(console=console, transient=True, disable=len(files) < 2) as progress:
            for file, task in progress.track(list(zip(files, tasks, strict=True))):
                try:
                    _print(file, await task, as_json=as_json, titled=len(files) > 1)
                except AioError as error:
                    failed += 1
                    # As Text, for a file's name may look like markup.
                    console.print(Text(f"{file}: {error.message}", style="red"), soft_wrap=True)
    finally:
        await engine.close()
    return failed


async def _read(engine: OcrReader, file: Path, slots: asyncio.Semaphore) -> OcrResult:
    async with slots:
        try:
            data = await asyncio.to_thread(file.read_bytes)
        except OSError as error:
            raise BadInputError(f"cannot be opened: {error.strerror}.") from None
        return await engine.read(data, OPTIONS)


def _print(file: Path, result: OcrResult, *, as_json: bool, titled: bool) -> None:
    if as_json:
        _write([json.dumps(_record(file, result), ensure_ascii=False)])
        return
    if titled:
        _write([f"── {file} ──"])
    _write([*(line.text for line in result.lines), *([""] if titled else [])])


def _record(file: Path, result: OcrResult) -> dict[str, object]:
    return {
        "file": str(file),
        "width": result.width,
        "height": result.height,
        "lines": [
            {
                "text": line.text,
                "corners": line.corners.points,
                "box_score": round(line.box_score, 4),
                "text_score": round(line.text_score, 4),
            }
            for line in result.lines
        ],
    }


def _write(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()

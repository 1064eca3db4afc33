"""``immich-aio bench``: benchmarks live beside the package in a checkout, not in it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated

import typer

import immich_aio
from immich_aio.errors import BadInputError


def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Which benchmark: a module of bench/, such as ocr.")],
) -> None:
    """Measure ours against the baseline, side by side; '--json' ends in one line of JSON."""
    folder = Path(immich_aio.__file__).parents[2] / "bench"
    names = sorted(
        path.stem for path in folder.glob("*.py") if "def main(arguments" in path.read_text()
    )
    if name not in names:
        known = ", ".join(names) or "none here; run it from a checkout with ./aio bench"
        raise BadInputError(f"There is no benchmark '{name}'. Known: {known}.")
    sys.path.insert(0, str(folder.parent))
    importlib.import_module(f"bench.{name}").main(context.args)

"""A folder as settings name one: ``~`` is the home of whoever runs the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator


def _from_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(str(error)) from None


Folder = Annotated[Path, AfterValidator(_from_home)]
"""A path in which ``~`` is already followed."""

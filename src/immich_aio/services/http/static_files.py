"""Scripts and styles of a service's pages, and those that all pages share."""

from __future__ import annotations

from pathlib import Path

from starlette.staticfiles import StaticFiles


def static_files(own: Path) -> StaticFiles:
    """The files of a service, and where it has none of that name those in ``static/`` here."""
    return StaticFiles(directory=own, packages=[(__package__, "static")])

"""The entry point: runs the tool, and says errors in one line rather than as a traceback."""

from __future__ import annotations

import sys

from immich_aio.cli import app
from immich_aio.errors import AioError


def main() -> None:
    """Run ``immich-aio``; exit status 1 and a message on standard error for a foreseen error."""
    try:
        app()
    except AioError as error:
        sys.stderr.write(f"immich-aio: {error.message}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()

"""``immich-aio search``."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from immich_aio.cli.search_filters import with_filters
from immich_aio.errors import UnavailableError


@with_filters
def search(  # noqa: PLR0913  # one an option
    query: Annotated[
        str,
        typer.Argument(
            help='What to look for: 发票 杭州, "in one piece", -without, this OR that; with '
            "ocr: before it, in texts only. Without any, the newest are shown."
        ),
    ] = "",
    *,
    user: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL",
            help="Whose search it is: that person's photos, and those of partners in the "
            "timeline. May be left out where Immich has one user.",
        ),
    ] = None,
    page: Annotated[int, typer.Option(metavar="N", min=1, help="Which page.")] = 1,
    size: Annotated[
        int, typer.Option(metavar="N", min=1, max=1000, help="Results on a page.")
    ] = 20,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document, with lines and their boxes.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Why each result stands where it stands.")
    ] = False,
    elevated: Annotated[
        bool, typer.Option("--elevated", help="Locked photos too, as after the PIN in Immich.")
    ] = False,
    language: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="The query's language, for CLIP models that ask for it."),
    ] = None,
    **filters: Any,  # noqa: ANN401  # what typer gives, by Immich's names
) -> None:
    """Search Immich's photos by their texts and by what they look like."""
    # Imported here, for the tool must start where the parts of search are not installed.
    try:
        from immich_aio.cli import search_run  # noqa: PLC0415
    except ImportError as error:
        raise UnavailableError(
            f"Search cannot run here ({error}): pip install 'immich-aio[search]'."
        ) from None
    wish = search_run.Wish(query, user, page, size, elevated, language, filters)
    asyncio.run(search_run.run(wish, as_json=as_json, explain=explain))

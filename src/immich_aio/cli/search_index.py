"""The text index before a search from the command line: there, and up to date."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from psycopg import errors

from immich_aio.errors import UnavailableError
from immich_aio.settings import Settings
from immich_aio.store.database import Database
from immich_aio.store.immich_guard import ImmichTables
from immich_aio.store.index_sync import IndexSync, SyncReport
from immich_aio.store.migration import migrate
from immich_aio.store.text.folding import FORMAT
from immich_aio.store.text.segmentation import Segmenter, choose_segmenter
from immich_aio.store.text_index import index_status

AT_ONCE = 20_000
"""Photos that are read while somebody waits for a search: some seconds."""
Tell = Callable[[str], None]


async def ready_index(
    database: Database, tables: ImmichTables, settings: Settings, tell: Tell
) -> Segmenter:
    """See to the index, and give what it was made by. ``tell`` is told what was done.

    Raises UnavailableError where that takes longer than a person waits.
    """
    segmenter = await choose_segmenter(database, settings.search_segmenter)
    sync = IndexSync(database, tables, segmenter)
    if await _is_made_by(database, segmenter):
        await migrate(database)
        await _catch_up(sync, tell)
        return segmenter
    photos = await sync.photos_with_text()
    if photos > AT_ONCE:
        raise UnavailableError(
            f"There is no text index of this kind yet, and {photos:,} photos have text. Make it "
            "once with 'immich-aio index sync'; 'immich-aio index rebuild' shows how far it is."
        )
    await migrate(database)
    report = await sync.once()
    if report.elsewhere:
        raise UnavailableError("Another process is making the text index. Try again in a moment.")
    tell(f"The text index was made: {report.written:,} photos with text.")
    return segmenter


async def _is_made_by(database: Database, segmenter: Segmenter) -> bool:
    status = await index_status(database)
    return status is not None and (status.segmenter, status.format) == (segmenter.name, FORMAT)


async def _catch_up(sync: IndexSync, tell: Tell) -> None:
    """Take over what has changed since, where that is little and may be written."""
    behind = await sync.behind()
    if not behind:
        return
    report = SyncReport(elsewhere=True)
    if behind <= AT_ONCE:
        with contextlib.suppress(errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction):
            report = await sync.once()
    if report.elsewhere:
        tell(f"The text index is {behind:,} photos behind: run 'immich-aio index sync'.")
    else:
        tell(f"The text index has taken over {behind:,} photos that had changed.")

"""A process that follows Immich, or makes the index anew, and stops in the middle of its work.

``python -m tests.integration.store.crash URL once|rebuild N`` cuts N batches, says so, and waits to
be killed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from immich_aio.store import index_sync
from immich_aio.store.database import Database
from immich_aio.store.immich_guard import immich_tables
from immich_aio.store.index_sync import IndexSync
from immich_aio.store.text.segmentation import JiebaSegmenter


class Stopping(JiebaSegmenter):
    """Cuts so many batches, and none after them."""

    def __init__(self, batches: int) -> None:
        self._left = batches

    async def words(self, folded: Sequence[str]) -> list[list[str]]:
        """Cut, or say that it is time, and never return."""
        if self._left == 0:
            sys.stdout.write("in the middle\n")
            sys.stdout.flush()
            await asyncio.Event().wait()
        self._left -= 1
        return await super().words(folded)


async def main(url: str, what: str, batches: int) -> None:
    """Do it with batches of two photos."""
    index_sync.BATCH = 2
    database = Database(url)
    await database.open()
    sync = IndexSync(database, await immich_tables(database), Stopping(batches))
    await (sync.rebuild() if what == "rebuild" else sync.once())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))

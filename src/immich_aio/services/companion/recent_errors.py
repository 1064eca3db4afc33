"""What has gone wrong of late: the log's warnings and errors, kept for the status page."""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, datetime

KEPT = 50
LOGGER = "immich_aio"


class RecentErrors(logging.Handler):
    """The last warnings and errors of this process."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._records: deque[logging.LogRecord] = deque(maxlen=KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self._records.append(record)

    async def start(self) -> None:
        """Listen."""
        logging.getLogger(LOGGER).addHandler(self)

    async def close(self) -> None:  # type: ignore[override]  # a handler's own closes at once
        """Listen no more."""
        logging.getLogger(LOGGER).removeHandler(self)

    def told(self) -> list[dict[str, object]]:
        """The newest first, ready for JSON."""
        return [
            {
                "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds"),
                "level": record.levelname.lower(),
                "message": record.getMessage(),
            }
            for record in reversed(self._records)
        ]

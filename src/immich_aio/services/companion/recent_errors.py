"""What has gone wrong of late: the log's warnings and errors, kept for the status page."""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, datetime

KEPT = 50
LOGGER = "immich_aio"


class RecentErrors:
    """The last warnings and errors of this process."""

    def __init__(self) -> None:
        self._handler = _Keeping()

    async def start(self) -> None:
        """Listen."""
        logging.getLogger(LOGGER).addHandler(self._handler)

    async def close(self) -> None:
        """Listen no more."""
        logging.getLogger(LOGGER).removeHandler(self._handler)

    def told(self) -> list[dict[str, object]]:
        """The newest first, ready for JSON."""
        return [
            {
                "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds"),
                "level": record.levelname.lower(),
                "message": record.getMessage(),
            }
            for record in reversed(self._handler.records)
        ]


class _Keeping(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: deque[logging.LogRecord] = deque(maxlen=KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.records.append(record)

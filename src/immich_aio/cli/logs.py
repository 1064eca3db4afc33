"""What the services say of themselves: lines for people, or JSON for programs, with request ids."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

from immich_aio.upstream.request_id import REQUEST_ID

TEXT = "%(asctime)s %(levelname)s %(message)s%(of_request)s"


def begin_logging(level: str, kind: Literal["text", "json"]) -> None:
    """Have everything logged to the standard error, from a level on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_with_request_id)
    handler.setFormatter(_JsonLines() if kind == "json" else logging.Formatter(TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def _with_request_id(record: logging.LogRecord) -> bool:
    request_id = REQUEST_ID.get()
    record.__dict__["of_request"] = f" [{request_id}]" if request_id else ""
    return True


class _JsonLines(logging.Formatter):
    """One object a line: time, level, message, and where there is one the request and the error."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)

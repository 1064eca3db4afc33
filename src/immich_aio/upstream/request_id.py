"""The id of the request that is being answered: it stands in the log, and travels to every server
that is asked on its behalf.
"""

from __future__ import annotations

from contextvars import ContextVar

HEADER = "X-Request-ID"

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""Empty where nothing is being answered."""

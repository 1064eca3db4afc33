"""Handing a thread's outcome to the event loop that waits for it."""

from __future__ import annotations

import asyncio
import logging
from typing import TypeVar

Result = TypeVar("Result")

log = logging.getLogger(__name__)


def settle(
    loop: asyncio.AbstractEventLoop,
    future: asyncio.Future[Result],
    outcome: Result | BaseException,
) -> None:
    """Give a result, or an exception to raise, to whoever awaits ``future`` in ``loop``.

    Nothing happens where nobody waits any more.
    """

    def tell() -> None:
        if future.done():
            return
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    try:
        loop.call_soon_threadsafe(tell)
    except RuntimeError:  # the loop was closed while we worked: nobody is left to tell
        log.debug("a result came after its event loop had closed")

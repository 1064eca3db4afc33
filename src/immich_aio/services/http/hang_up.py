"""A caller who hangs up ends the work that was done for them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from immich_aio.errors import CancelledWorkError

Result = TypeVar("Result")


async def unless_hung_up(
    request: Request,
    work: Coroutine[Any, Any, Result],
    *,
    body_read: asyncio.Event | None = None,
) -> Result:
    """The result of ``work``, which is cancelled when the caller disconnects first.

    The request's body must have been read, or be read by ``work``, which then sets ``body_read``.
    Raises CancelledWorkError when the caller has gone.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_disconnected(request, body_read))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise CancelledWorkError
    finally:
        watch.cancel()
        task.cancel()
        # Nothing of the work may outlive the request, and what it still raises is nobody's news.
        await asyncio.gather(task, watch, return_exceptions=True)


async def _disconnected(request: Request, body_read: asyncio.Event | None) -> None:
    if body_read is not None:  # until then the disconnect is for the reader of the body to see
        await body_read.wait()
    while (await request.receive())["type"] != "http.disconnect":
        pass

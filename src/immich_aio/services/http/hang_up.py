"""A caller who hangs up ends the work that was done for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import TypeVar

from starlette.requests import Request

from immich_aio.errors import CancelledWorkError

Result = TypeVar("Result")

AT_ONCE = 0.02
"""Seconds within which nobody is looked after: so soon, few hang up, and little would be saved."""


async def unless_hung_up(
    request: Request, work: Awaitable[Result], *, body_read: asyncio.Event | None = None
) -> Result:
    """The result of ``work``, which is cancelled when the caller disconnects first.

    See ``UntilHungUp``.
    """
    async with UntilHungUp(request, body_read):
        return await work


class UntilHungUp:
    """What is done within is cancelled when the caller disconnects, and raises CancelledWorkError.

    The request's body must have been read, or be read within, by whoever then sets ``body_read``.
    What is done at once is not watched over: that would cost more than the work.
    """

    def __init__(self, request: Request, body_read: asyncio.Event | None = None) -> None:
        self._request = request
        self._body_read = body_read
        self._watching: asyncio.Task[None] | None = None
        self._hung_up = False

    async def __aenter__(self) -> None:
        """Begin to watch, in a moment."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # whatever is async runs in one
        self._task = task
        self._timer = asyncio.get_running_loop().call_later(AT_ONCE, self._begin)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Whatever the work said when it was ended is nobody's news."""
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if self._hung_up and self._task.uncancel() <= 0 and error is not None:
            raise CancelledWorkError from None

    def _begin(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        if self._body_read is not None:  # until then it is for the reader of the body to see
            await self._body_read.wait()
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self._hung_up = True
        self._task.cancel()

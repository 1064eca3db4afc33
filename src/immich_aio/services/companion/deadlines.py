"""When a caller's connection is given up: a head never comes, or nothing for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

HEAD_SECONDS = 60.0
"""In which a head must have come."""


class Deadlines:
    """Those of one connection; ``too_late`` is called when one has passed.

    The one timer of idle connections is not set anew for each request, for that costs more than
    anything else a request needs of a timer: it looks, when it is due, how long nothing was asked.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        idle_seconds: float,
        is_busy: Callable[[], bool],
        too_late: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._idle_seconds = idle_seconds
        self._is_busy = is_busy
        self._too_late = too_late
        self._idle_since = 0.0
        self._idle: asyncio.TimerHandle | None = None
        self._head: asyncio.TimerHandle | None = None

    def await_head(self) -> None:
        """The rest of a head is to come."""
        if self._head is None:
            self._head = self._loop.call_later(HEAD_SECONDS, self._too_late)

    def head_came(self) -> None:
        """It has."""
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def idle(self) -> None:
        """Nothing is asked at the moment."""
        self._idle_since = self._loop.time()
        if self._idle is None:
            self._look_again(self._idle_seconds)

    def close(self) -> None:
        """The connection is gone."""
        self.head_came()
        if self._idle is not None:
            self._idle.cancel()

    def _look_again(self, seconds: float) -> None:
        self._idle = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        left = self._idle_since + self._idle_seconds - self._loop.time()
        if self._is_busy():
            self._look_again(self._idle_seconds)
        elif left > 0:
            self._look_again(left)
        else:
            self._too_late()

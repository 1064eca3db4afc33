"""A list of items that several threads work off together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class SharedWork(Generic[Item]):
    """The owner and any helpers take items until none is left; a failure ends it for all.

    The owner never waits for a helper that has not begun: what nobody took it does itself.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._left = deque(items)
        self._in_hand = 0
        self._changed = threading.Condition()
        self._failure: BaseException | None = None

    def __len__(self) -> int:
        """How many items nobody has taken yet."""
        return len(self._left)

    def help_with(self, do: Callable[[Item], None], unless: Callable[[], bool]) -> None:
        """Take items until none is left or ``unless()``; failures are the owner's to raise."""
        while not unless() and self._take_one(do):
            pass

    def finish(self, do: Callable[[Item], None]) -> None:
        """Take what is left, wait for what helpers took, raise the first failure of all."""
        while self._take_one(do):
            pass
        with self._changed:
            while self._in_hand:
                self._changed.wait()
        if self._failure is not None:
            raise self._failure

    def _take_one(self, do: Callable[[Item], None]) -> bool:
        with self._changed:
            if not self._left:
                return False
            item = self._left.popleft()
            self._in_hand += 1
        try:
            do(item)
        except BaseException as error:  # noqa: BLE001  # the owner raises it
            self._fail(error)
        finally:
            with self._changed:
                self._in_hand -= 1
                self._changed.notify_all()
        return True

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._left.clear()
            self._failure = self._failure or error

"""Something large that is loaded when it is first needed and dropped when it has been idle."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from immich_aio.engines.memory import return_free_pages, trim_memory

Value = TypeVar("Value")

log = logging.getLogger(__name__)


class Lifecycle(Generic[Value]):
    """Loads a value once for all who lease it, and unloads it after ``idle_seconds`` without one.

    The second caller waits for the first one's load, and a failed load is the first caller's alone:
    the next one tries again. A value is never unloaded while it is leased. With ``idle_seconds`` 0
    it stays for ever. ``unloaded`` is called after the value was let go and before memory is given
    back, for whoever keeps parts of it.
    """

    def __init__(
        self,
        name: str,
        load: Callable[[], Value],
        *,
        idle_seconds: float,
        unloaded: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._load = load
        self._idle_seconds = idle_seconds
        self._unloaded = unloaded
        self._changed = threading.Condition()
        self._value: Value | None = None
        self._generation = 0
        self._loading = False
        self._leases = 0
        self._used_at = 0.0

    @property
    def loaded(self) -> bool:
        """Whether the value is in memory."""
        return self._value is not None

    @contextlib.contextmanager
    def lease(self) -> Iterator[Value]:
        """The value, loaded if need be; it is not idle until the block is left. It blocks."""
        value, generation = self._acquire()
        try:
            yield value
        finally:
            with self._changed:
                if generation == self._generation:
                    self._leases -= 1
                    self._used_at = time.monotonic()

    def release(self) -> None:
        """Unload now; who has a lease keeps what was leased, and the next caller loads anew."""
        with self._changed:
            while self._loading:
                self._changed.wait()
            self._let_go()
        self._give_back()

    def _acquire(self) -> tuple[Value, int]:
        with self._changed:
            while self._loading:
                self._changed.wait()
            if self._value is not None:
                self._leases += 1
                return self._value, self._generation
            self._loading = True
        value = None
        try:
            value = self._load()
        finally:
            with self._changed:
                self._loading = False
                self._value = value
                self._leases = int(value is not None)
                generation = self._generation
                self._changed.notify_all()
        # What loading took for a moment lies between what stays, and glibc would keep it.
        return_free_pages()
        self._start_watching(generation)
        return value, generation

    def _start_watching(self, generation: int) -> None:
        if self._idle_seconds > 0:
            name = f"idle-{self._name}"
            threading.Thread(target=self._watch, args=(generation,), name=name, daemon=True).start()

    def _watch(self, generation: int) -> None:
        """Unload what was loaded in this generation once it has been idle for long enough."""
        with self._changed:
            while generation == self._generation:
                idle = 0.0 if self._leases else time.monotonic() - self._used_at
                if idle >= self._idle_seconds:
                    self._let_go()
                    break
                self._changed.wait(self._idle_seconds - idle)
            else:
                return
        log.info("%s: unloaded after %g s without work", self._name, self._idle_seconds)
        self._give_back()

    def _let_go(self) -> None:
        self._value = None
        self._leases = 0
        self._generation += 1
        self._changed.notify_all()

    def _give_back(self) -> None:
        self._unloaded()
        trim_memory()

"""Loaded once for all, never taken from who uses it, gone when idle, and back again."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from immich_aio.engines.lifecycle import Lifecycle

PATIENCE = 30


class Model:
    """Something to load."""


class Loader:
    """Loads models, counts them, and can be held or made to fail."""

    def __init__(self, *, held: bool = False) -> None:
        self.loaded: list[weakref.ref[Model]] = []
        self.failure: Exception | None = None
        self.began = threading.Event()
        self.go_on = threading.Event()
        self.unloaded = threading.Event()
        if not held:
            self.go_on.set()

    def load(self) -> Model:
        self.began.set()
        assert self.go_on.wait(PATIENCE)
        if self.failure is not None:
            raise self.failure
        model = Model()
        self.loaded.append(weakref.ref(model))
        return model

    def lifecycle(self, idle_seconds: float = 0.0) -> Lifecycle[Model]:
        return Lifecycle(
            "a model", self.load, idle_seconds=idle_seconds, unloaded=self.unloaded.set
        )

    def in_memory(self) -> int:
        gc.collect()
        return sum(model() is not None for model in self.loaded)


def use(lifecycle: Lifecycle[Model]) -> int:
    with lifecycle.lease() as model:
        return id(model)


def test_nothing_is_loaded_before_it_is_needed() -> None:
    loader = Loader()
    lifecycle = loader.lifecycle()
    assert not lifecycle.loaded
    use(lifecycle)
    assert lifecycle.loaded


def test_the_second_caller_waits_for_the_first_ones_load() -> None:
    loader = Loader(held=True)
    lifecycle = loader.lifecycle()
    with ThreadPoolExecutor(4) as threads:
        callers = [threads.submit(use, lifecycle) for _ in range(4)]
        assert loader.began.wait(PATIENCE)
        loader.go_on.set()
        seen = {caller.result(PATIENCE) for caller in callers}
    assert len(seen) == len(loader.loaded) == 1


def test_a_failed_load_is_told_and_the_next_caller_tries_again() -> None:
    loader = Loader()
    lifecycle = loader.lifecycle()
    loader.failure = OSError("no such file")
    with pytest.raises(OSError, match="no such file"):
        use(lifecycle)
    assert not lifecycle.loaded
    loader.failure = None
    use(lifecycle)
    assert lifecycle.loaded


def test_what_is_idle_is_unloaded_and_comes_back_by_itself() -> None:
    loader = Loader()
    lifecycle = loader.lifecycle(idle_seconds=0.01)
    for times in (1, 2):
        use(lifecycle)
        assert loader.unloaded.wait(PATIENCE)
        loader.unloaded.clear()
        assert not lifecycle.loaded
        assert loader.in_memory() == 0
        assert len(loader.loaded) == times


def test_what_is_in_use_is_never_unloaded() -> None:
    loader = Loader()
    lifecycle = loader.lifecycle(idle_seconds=0.01)
    with lifecycle.lease():
        with lifecycle.lease():
            pass
        assert not loader.unloaded.wait(0.1)  # ten times as long as it may be idle
        assert lifecycle.loaded
    assert loader.unloaded.wait(PATIENCE)


def test_without_a_limit_it_stays() -> None:
    loader = Loader()
    lifecycle = loader.lifecycle()
    use(lifecycle)
    assert not loader.unloaded.wait(0.05)
    assert lifecycle.loaded


def test_release_takes_nothing_from_who_has_it_and_the_next_loads_anew() -> None:
    loader = Loader()
    lifecycle = loader.lifecycle(idle_seconds=0.01)
    with lifecycle.lease() as first:
        lifecycle.release()
        assert loader.unloaded.is_set()
        assert not lifecycle.loaded
        with lifecycle.lease() as second:
            assert second is not first
    del first, second
    loader.unloaded.clear()
    assert loader.unloaded.wait(PATIENCE)  # the end of the first lease was not the second's
    assert loader.in_memory() == 0


def test_release_waits_for_a_load_under_way() -> None:
    loader = Loader(held=True)
    lifecycle = loader.lifecycle()
    with ThreadPoolExecutor(2) as threads:
        loading = threads.submit(use, lifecycle)
        assert loader.began.wait(PATIENCE)
        releasing = threads.submit(lifecycle.release)
        loader.go_on.set()
        loading.result(PATIENCE)
        releasing.result(PATIENCE)
    assert not lifecycle.loaded
    assert loader.in_memory() == 0


# ---- Memory

PIECE, PIECES, KEPT = 64 * 1024, 4000, 100
"""Bytes, and how many of them loading takes; every so manieth stays."""


def resident() -> int:
    return psutil.Process().memory_info().rss


def test_what_loading_took_for_a_moment_is_given_back_to_the_system() -> None:
    """Also where what stays lies in between, as it does when several models load at once."""

    def load() -> list[NDArray[np.uint8]]:
        return [np.ones(PIECE, np.uint8) for _ in range(PIECES)][::KEPT]

    before = resident()
    with Lifecycle("a model", load, idle_seconds=0).lease() as model:
        assert len(model) == PIECES / KEPT
        assert resident() - before < PIECE * PIECES / 4

"""Several threads work off one list: every item once, failures to the owner, nobody waits in vain.

The owner is the test's own thread; helpers are threads that signal by events.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from immich_aio.engines.shared_work import SharedWork

PATIENCE = 20


def never() -> bool:
    return False


def forbidden(item: object) -> None:
    pytest.fail(f"{item} should not be done")


def nothing(_item: object) -> None:
    pass


@contextmanager
def thread(work: Callable[[], None]) -> Iterator[None]:
    """Run it on a thread that ends before the block does."""
    helper = threading.Thread(target=work)
    helper.start()
    yield
    helper.join(PATIENCE)
    assert not helper.is_alive()


def waited_for(event: threading.Event) -> None:
    assert event.wait(PATIENCE)


def test_the_owner_alone_does_everything_in_order() -> None:
    done: list[int] = []
    SharedWork(range(5)).finish(done.append)
    assert done == [0, 1, 2, 3, 4]


def test_no_items_are_no_work() -> None:
    SharedWork([]).finish(forbidden)


def test_owner_and_helpers_do_every_item_exactly_once() -> None:
    """Four threads meet at a barrier with an item each, so all of them did take part."""
    together = threading.Barrier(4, timeout=PATIENCE)
    done: list[int] = []
    threads: set[int] = set()

    def do(item: int) -> None:
        if item < 4:
            together.wait()
        done.append(item)
        threads.add(threading.get_ident())

    work = SharedWork(range(400))
    helpers = [threading.Thread(target=work.help_with, args=(do, never)) for _ in range(3)]
    for helper in helpers:
        helper.start()
    work.finish(do)
    assert sorted(done) == list(range(400))
    assert len(threads) == 4
    for helper in helpers:
        helper.join(PATIENCE)


def test_the_owner_waits_for_what_a_helper_has_in_hand() -> None:
    taken, owner_idle = threading.Event(), threading.Event()
    done: list[str] = []

    def help_slowly(item: str) -> None:
        taken.set()
        waited_for(owner_idle)
        done.append(item)

    def own(item: str) -> None:
        done.append(item)
        owner_idle.set()

    work = SharedWork(["helper's", "owner's"])
    with thread(lambda: work.help_with(help_slowly, never)):
        waited_for(taken)
        work.finish(own)
        assert sorted(done) == ["helper's", "owner's"]


def test_the_owner_does_not_wait_for_helpers_that_come_too_late() -> None:
    work = SharedWork([1, 2])
    done: list[int] = []
    work.finish(done.append)
    work.help_with(forbidden, never)
    assert done == [1, 2]


def test_a_helper_who_is_wanted_elsewhere_takes_nothing_more() -> None:
    work = SharedWork([1, 2, 3])
    helped: list[int] = []
    work.help_with(helped.append, lambda: len(helped) == 1)
    assert helped == [1]
    assert len(work) == 2
    work.finish(helped.append)
    assert helped == [1, 2, 3]


def test_a_helpers_failure_is_the_owners_to_raise_and_ends_the_work() -> None:
    tried: list[int] = []

    def fail(item: int) -> None:
        tried.append(item)
        raise ValueError(f"item {item} is bad")

    work = SharedWork([1, 2, 3])
    work.help_with(fail, never)
    assert tried == [1]
    with pytest.raises(ValueError, match="item 1 is bad"):
        work.finish(forbidden)


def test_a_helper_fails_while_the_owner_works() -> None:
    failed, owner_began = threading.Event(), threading.Event()
    done: list[int] = []

    def fail(_item: int) -> None:
        waited_for(owner_began)
        raise ValueError("the helper's")

    def own(item: int) -> None:
        owner_began.set()
        waited_for(failed)
        done.append(item)

    def help_out() -> None:
        work.help_with(fail, never)
        failed.set()

    work = SharedWork(range(10))
    with thread(help_out), pytest.raises(ValueError, match="the helper's"):
        work.finish(own)
    assert len(done) <= 1


def test_the_owners_own_failure_is_raised_after_helpers_have_put_down_theirs() -> None:
    taken, owner_failed = threading.Event(), threading.Event()
    put_down: list[int] = []

    def help_slowly(item: int) -> None:
        taken.set()
        waited_for(owner_failed)
        put_down.append(item)

    def fail(_item: int) -> None:
        owner_failed.set()
        raise KeyError("the owner's")

    work = SharedWork(range(5))
    with thread(lambda: work.help_with(help_slowly, never)):
        waited_for(taken)
        with pytest.raises(KeyError, match="the owner's"):
            work.finish(fail)
        assert put_down == [0]


def test_the_first_failure_of_several_is_raised() -> None:
    failures = iter([ValueError("first"), ValueError("second")])

    def fail(_item: int) -> None:
        raise next(failures)

    work = SharedWork([1, 2])
    first_in, second_in = threading.Event(), threading.Event()

    def fail_after_the_first(_item: int) -> None:
        second_in.set()
        waited_for(first_in)
        raise next(failures)

    def help_out() -> None:
        work.help_with(fail_after_the_first, never)

    with thread(help_out):
        waited_for(second_in)
        work.help_with(fail, never)
        first_in.set()
        with pytest.raises(ValueError, match="first"):
            work.finish(nothing)

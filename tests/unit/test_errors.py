"""Every error says what to do, and has a place in the table of statuses."""

from __future__ import annotations

import inspect
import pickle

import pytest

from immich_aio import errors
from immich_aio.errors import AioError, OverloadedError
from immich_aio.wire.problem import STATUS_AND_TITLE


def family(error: type[AioError]) -> list[type[AioError]]:
    return [error, *(each for child in error.__subclasses__() for each in family(child))]


@pytest.mark.parametrize("error", family(AioError))
def test_every_error_has_a_default_message_that_is_its_own_docstring(error: type[AioError]) -> None:
    own = error.__dict__["__doc__"]
    assert own
    assert error().message == inspect.cleandoc(own)
    assert str(error()) == error().message
    assert error("Said otherwise.").message == "Said otherwise."


@pytest.mark.parametrize("error", family(AioError))
def test_every_error_has_a_kind_in_the_table(error: type[AioError]) -> None:
    assert error.kind in STATUS_AND_TITLE


@pytest.mark.parametrize("error", family(AioError)[1:])
def test_every_error_stands_in_the_tree_with_its_kind(error: type[AioError]) -> None:
    assert errors.__doc__ is not None
    (line,) = [line for line in errors.__doc__.splitlines() if f"── {error.__name__} " in line]
    assert f" {error.kind} " in line


def test_no_kind_stands_in_the_table_for_nothing() -> None:
    assert {error.kind for error in family(AioError)} == set(STATUS_AND_TITLE)


def test_an_overloaded_service_says_when_to_come_back() -> None:
    assert OverloadedError().retry_after >= 1
    assert OverloadedError(retry_after=7).retry_after == 7


@pytest.mark.parametrize("error", family(AioError))
def test_every_error_crosses_to_another_process_as_itself(error: type[AioError]) -> None:
    sent = error("Said otherwise.")
    came = pickle.loads(pickle.dumps(sent))  # noqa: S301  # our own
    assert type(came) is error
    assert (came.message, vars(came)) == (sent.message, vars(sent))


def test_when_to_come_back_crosses_with_it() -> None:
    came = pickle.loads(pickle.dumps(OverloadedError(retry_after=7)))  # noqa: S301  # our own
    assert came.retry_after == 7

"""Every error has one status and one body."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from immich_aio import errors
from immich_aio.errors import AioError, Kind
from immich_aio.wire.problem import PROBLEM_MEDIA_TYPE, STATUS_AND_TITLE, problem, status_of


def all_errors() -> list[type[AioError]]:
    return [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, AioError)
    ]


def test_every_kind_has_a_status_and_no_status_is_without_a_kind() -> None:
    assert set(STATUS_AND_TITLE) == set(get_args(Kind))


@pytest.mark.parametrize("error", all_errors())
def test_every_error_has_a_problem_body_with_its_own_status(error: type[AioError]) -> None:
    body = problem(error("Words for the caller."))
    assert json.loads(json.dumps(body)) == {
        "type": f"urn:immich-aio:error:{error.kind}",
        "title": STATUS_AND_TITLE[error.kind][1],
        "status": status_of(error()),
        "detail": "Words for the caller.",
    }


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.BadInputError, 400),
        (errors.BadImageError, 400),
        (errors.UnprocessableError, 422),
        (errors.TooLargeError, 413),
        (errors.UnauthorizedError, 401),
        (errors.OverloadedError, 429),
        (errors.UnavailableError, 503),
        (errors.ModelMissingError, 503),
        (errors.UpstreamError, 502),
        (errors.TimeoutExceededError, 504),
        (errors.CancelledWorkError, 499),
        (errors.InternalError, 500),
        (errors.AioError, 500),
    ],
)
def test_the_status_of_each_error_is_the_documented_one(error: type[AioError], status: int) -> None:
    assert status_of(error()) == status


def test_an_instance_is_named_only_where_it_is_known() -> None:
    error = errors.OverloadedError()
    assert problem(error, "/predict")["instance"] == "/predict"
    assert "instance" not in problem(error)


def test_no_two_kinds_share_a_title() -> None:
    titles = [title for _, title in STATUS_AND_TITLE.values()]
    assert len(set(titles)) == len(titles)


def test_the_media_type_is_that_of_rfc_9457() -> None:
    assert PROBLEM_MEDIA_TYPE == "application/problem+json"

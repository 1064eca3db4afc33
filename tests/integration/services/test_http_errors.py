"""One shape for every error, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from immich_aio.errors import AioError, InternalError, OverloadedError
from immich_aio.services.http import errors
from immich_aio.wire.problem import status_of
from tests.integration.services.live import Reply, ask, live

SECRET = "a detail that is nobody's business"  # noqa: S105  # no password


def family(error: type[AioError]) -> list[type[AioError]]:
    return [error, *(each for child in error.__subclasses__() for each in family(child))]


FAMILY = {each.__name__: each for each in family(AioError)}


async def fail(request: Request) -> Response:
    raise FAMILY[request.path_params["name"]]("Said to the caller: 请再试一次.")


async def fail_unforeseen(_request: Request) -> Response:
    raise KeyError(SECRET)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    app = Starlette(routes=[Route("/fail/{name}", fail), Route("/unforeseen", fail_unforeseen)])
    errors.install(app)
    async with live(app) as address:
        yield address


def is_problem(reply: Reply, path: str) -> bool:
    """Whether the body is what RFC 9457 asks for, and says the status that the reply has."""
    return (
        reply.headers["Content-Type"] == "application/problem+json"
        and reply.json["status"] == reply.status
        and reply.json["instance"] == path
        and {"type", "title", "detail"} <= reply.json.keys()
    )


@pytest.mark.parametrize("name", FAMILY)
async def test_every_error_is_answered_with_its_status_and_a_problem(url: str, name: str) -> None:
    reply = await ask(f"{url}/fail/{name}")
    assert reply.status == status_of(FAMILY[name]())
    assert is_problem(reply, f"/fail/{name}")
    assert reply.json["detail"] == "Said to the caller: 请再试一次."
    assert ("Retry-After" in reply.headers) == issubclass(FAMILY[name], OverloadedError)


async def test_an_unknown_route_is_a_404_in_the_same_shape(url: str) -> None:
    reply = await ask(f"{url}/no/such/route")
    assert reply.status == 404
    assert is_problem(reply, "/no/such/route")


async def test_a_wrong_method_is_a_405_that_names_the_right_ones(url: str) -> None:
    reply = await ask(f"{url}/unforeseen", "DELETE")
    assert reply.status == 405
    assert is_problem(reply, "/unforeseen")
    assert "GET" in reply.headers["Allow"]


async def test_a_path_that_is_no_text_is_still_answered_in_the_same_shape(url: str) -> None:
    reply = await ask(f"{url}/%FF%00%ED%A0%80")
    assert reply.status == 404
    assert reply.json["status"] == 404


async def test_what_was_not_foreseen_is_a_500_that_tells_nothing_and_a_log_that_tells_all(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    reply = await ask(f"{url}/unforeseen")
    assert reply.status == 500
    assert is_problem(reply, "/unforeseen")
    assert reply.json["detail"] == InternalError().message
    assert SECRET.encode() not in reply.body
    assert b"Traceback" not in reply.body
    assert SECRET in caplog.text

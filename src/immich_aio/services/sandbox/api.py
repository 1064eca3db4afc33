"""Immich's way of routing and answering: paths in any case, its refusals, its error replies."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from immich_aio.domain.immich import Shape
from immich_aio.errors import AioError
from immich_aio.services.sandbox.caller import Caller, Doorman, Rule
from immich_aio.wire.immich_api.errors import (
    ImmichHttpError,
    error_body,
    failed_handler,
    not_found,
)
from immich_aio.wire.immich_api.validation import BodyReader, read_json_body

log = logging.getLogger(__name__)

OPEN = None
"""In place of a rule: everyone may."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request of someone who may make it."""

    request: Request
    shape: Shape
    _caller: Caller | None

    @property
    def caller(self) -> Caller:
        """Who makes it; endpoints without a rule have none."""
        assert self._caller is not None  # noqa: S101  # an endpoint with a rule
        return self._caller

    @property
    def id(self) -> UUID:
        """The UUID in the path. Raises ImmichHttpError (400)."""
        reader = BodyReader(self.request.path_params, self.shape)
        found = reader.take_uuid("id")
        reader.finish()
        assert isinstance(found, UUID)  # noqa: S101  # anything else was refused
        return found

    async def body(self) -> object:
        """The body as JSON. Raises ImmichHttpError (400)."""
        return read_json_body(await self.request.body())

    async def reader(self) -> BodyReader:
        """The body, to be read field by field."""
        return BodyReader(await self.body(), self.shape)


Handler = Callable[[Call], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of Immich's endpoints; ``name`` is Immich's own, which its error replies show."""

    method: str
    path: str
    name: str
    handler: Handler
    rule: Rule | None = OPEN
    status: int = 200


def routes(endpoints: Sequence[Endpoint], doorman: Doorman, shape: Shape) -> list[Route]:
    """Starlette's routes for these endpoints."""
    return [_route(endpoint, doorman, shape) for endpoint in endpoints]


def json_response(value: object, status: int = 200) -> Response:
    """JSON as Express writes it."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return Response(body.encode(), status, media_type="application/json; charset=utf-8")


def refusal(error: ImmichHttpError, shape: Shape) -> Response:
    """Immich's reply to an error."""
    correlation_id = uuid4().hex[:8]
    response = json_response(error_body(error, shape, correlation_id), error.status)
    if shape is Shape.V3_1:
        response.headers["X-Correlation-ID"] = correlation_id
    return response


def no_such_path(request: Request, shape: Shape) -> Response:
    """The reply for a path or method that is not there."""
    return refusal(not_found(f"Cannot {request.method} {request.url.path}"), shape)


def _route(endpoint: Endpoint, doorman: Doorman, shape: Shape) -> Route:
    async def answer(request: Request) -> Response:
        try:
            rule = endpoint.rule
            caller = None if rule is None else await doorman.admit(request, rule)
            result = await endpoint.handler(Call(request, shape, caller))
        except ImmichHttpError as error:
            return refusal(error, shape)
        except ClientDisconnect:
            return Response(status_code=499)
        except AioError as error:
            log.warning("%s %s: %s", request.method, request.url.path, error.message)
            return refusal(failed_handler(endpoint.name), shape)
        except Exception:
            log.exception("%s %s", request.method, request.url.path)
            return refusal(failed_handler(endpoint.name), shape)
        if isinstance(result, Response):
            return result
        return json_response(result, endpoint.status) if result is not None else _empty(endpoint)

    route = Route("/api" + endpoint.path, answer, methods=[endpoint.method])
    pattern = route.path_regex.pattern.removesuffix("$")
    route.path_regex = re.compile(pattern + "/?$", re.IGNORECASE)
    return route


def _empty(endpoint: Endpoint) -> Response:
    return Response(status_code=endpoint.status)

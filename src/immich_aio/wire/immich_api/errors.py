"""Immich's error replies. The protocol dictates status and words, so both stand here.

From 3.x on a reply has ``message`` and, after validation, ``errors``. Before, ``message`` is a text
or a list of texts, and ``error``, ``statusCode`` and ``correlationId`` stand beside it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from immich_aio.domain.immich import Shape


@dataclass(frozen=True, slots=True)
class Issue:
    """One fault of a body: as 3.x's validator (zod) tells it, and as 2.x's (class-validator)."""

    zod: dict[str, object]
    words: str


class ImmichHttpError(Exception):
    """Immich refuses the request."""

    def __init__(self, status: int, message: str, issues: Sequence[Issue] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.issues = tuple(issues)


def bad_request(message: str) -> ImmichHttpError:
    """Give the refusal that most of Immich's checks end in."""
    return ImmichHttpError(400, message)


def unauthorized(message: str = "Unauthorized") -> ImmichHttpError:
    """Give the refusal of someone unknown."""
    return ImmichHttpError(401, message)


def forbidden(message: str = "Forbidden") -> ImmichHttpError:
    """Give the refusal of someone known."""
    return ImmichHttpError(403, message)


def not_found(message: str) -> ImmichHttpError:
    """Give the refusal for what is not there."""
    return ImmichHttpError(404, message)


def failed_validation(issues: Sequence[Issue]) -> ImmichHttpError:
    """Give the refusal of a body with these faults."""
    return ImmichHttpError(400, "Validation failed", issues)


def failed_handler(name: str) -> ImmichHttpError:
    """Give the reply to what Immich did not foresee: searchSmart has "Failed to search smart"."""
    words = re.sub(r"[A-Z]+", lambda match: f" {match[0].lower()}", name)
    return ImmichHttpError(500, f"Failed to {words}")


def error_body(error: ImmichHttpError, shape: Shape, correlation_id: str) -> dict[str, object]:
    """Write the body of an error reply."""
    if shape is Shape.V3_1:
        body: dict[str, object] = {"message": error.message}
        return body | {"errors": [issue.zod for issue in error.issues]} if error.issues else body
    words = [issue.words for issue in error.issues]
    phrase = HTTPStatus(error.status).phrase
    return {
        "message": words or error.message,
        # Nest leaves the phrase out where it already is the whole message.
        **({} if error.message == phrase else {"error": phrase}),
        "statusCode": error.status,
        "correlationId": correlation_id,
    }

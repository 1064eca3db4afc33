"""The one table that makes HTTP status codes of error kinds, and the one body errors have.

The body is RFC 9457 problem details. The MT-Photos protocol dictates its own failures, so those
are made in ``mt_photos.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from immich_aio.errors import AioError, Kind

PROBLEM_MEDIA_TYPE = "application/problem+json"
"""The Content-Type of a problem body."""

STATUS_AND_TITLE: Mapping[Kind, tuple[int, str]] = MappingProxyType(
    {
        "bad_input": (400, "Bad input"),
        "bad_image": (400, "Not a readable image"),
        "unprocessable": (422, "Unprocessable request"),
        "too_large": (413, "Too large"),
        "unauthorized": (401, "Unauthorized"),
        "forbidden": (403, "Forbidden"),
        "overloaded": (429, "Overloaded"),
        "unavailable": (503, "Unavailable"),
        "upstream": (502, "Upstream server failed"),
        "timeout": (504, "Timed out"),
        "cancelled": (499, "Caller hung up"),
        "internal": (500, "Internal error"),
    }
)
"""For every kind, its HTTP status and its title; the title is the same for all errors of a kind."""


def status_of(error: AioError) -> int:
    """Give the HTTP status of an error, 400…504; 499, caller hung up, is nginx's convention."""
    return STATUS_AND_TITLE[error.kind][0]


def problem(error: AioError, instance: str | None = None) -> dict[str, object]:
    """Describe the error as RFC 9457 problem details, ready for JSON.

    ``instance`` is a URI reference for this one occurrence, such as the request's path; without it
    the member is left out.
    """
    status, title = STATUS_AND_TITLE[error.kind]
    body: dict[str, object] = {
        "type": f"urn:immich-aio:error:{error.kind}",
        "title": title,
        "status": status,
        "detail": error.message,
    }
    return body if instance is None else {**body, "instance": instance}

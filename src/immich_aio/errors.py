"""Every error this product raises on purpose.

AioError
├── BadInputError            bad_input     the request cannot be understood
│   ├── BadImageError        bad_image     bytes that are no picture we can read
│   └── UnprocessableError   unprocessable well-formed, but asks for something impossible
├── TooLargeError            too_large     over a size limit that is a setting
├── UnauthorizedError        unauthorized  the api-key is missing or wrong
├── ForbiddenError           forbidden     the caller's address is not among those let in
├── OverloadedError          overloaded    the queue is full; carries ``retry_after``
├── UnavailableError         unavailable   a part that is needed is absent or switched off
│   ├── ModelMissingError    unavailable   model files are not on this machine
│   ├── ModelFetchError      unavailable   model files could not be fetched; carries ``definite``
│   ├── LicenseError         unavailable   a model's licence was not accepted
│   ├── BadCheckpointError   unavailable   a model file is damaged, or is something else
│   ├── ElsewhereError       unavailable   another process is at the same back-fill
│   └── SpillError           unavailable   an upload that must wait can be kept nowhere
├── UpstreamError            upstream      another server failed or answered nonsense
│   └── UnreachableError     upstream      it cannot be reached, or says that it is not ready
├── TimeoutExceededError     timeout       an answer did not come in time
├── CancelledWorkError       cancelled     the caller hung up; nobody waits for the result
└── InternalError            internal      our own fault

A class docstring is the default message, and says what to do. The kinds carry no HTTP: the one
table that makes status codes of them is ``wire/problem.py``.
"""

from __future__ import annotations

import inspect
from typing import ClassVar, Literal

Kind = Literal[
    "bad_input",
    "bad_image",
    "unprocessable",
    "too_large",
    "unauthorized",
    "forbidden",
    "overloaded",
    "unavailable",
    "upstream",
    "timeout",
    "cancelled",
    "internal",
]


class AioError(Exception):
    """Something went wrong."""

    kind: ClassVar[Kind] = "internal"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or "Something went wrong."))

    @property
    def message(self) -> str:
        """What went wrong and what to do, in words for the caller."""
        return str(self.args[0])


class BadInputError(AioError):
    """The request could not be understood; see the documentation at /docs."""

    kind: ClassVar[Kind] = "bad_input"


class BadImageError(BadInputError):
    """Not an image that can be read; send a JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF."""

    kind: ClassVar[Kind] = "bad_image"


class UnprocessableError(BadInputError):
    """The request is well-formed but asks for something that does not exist."""

    kind: ClassVar[Kind] = "unprocessable"


class TooLargeError(AioError):
    """The upload is over the limit; raise MAX_UPLOAD_MB or MAX_MEGAPIXELS to let it pass."""

    kind: ClassVar[Kind] = "too_large"


class UnauthorizedError(AioError):
    """The api-key header is missing or wrong; send the server's API_AUTH_KEY."""

    kind: ClassVar[Kind] = "unauthorized"


class ForbiddenError(AioError):
    """Callers from this address are not let in; add their network to ALLOWED_NETWORKS."""

    kind: ClassVar[Kind] = "forbidden"


class OverloadedError(AioError):
    """The queue is full; try again in a moment, or raise OCR_QUEUE_SIZE."""

    kind: ClassVar[Kind] = "overloaded"

    def __init__(self, message: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnavailableError(AioError):
    """A part that is needed for this is not available here."""

    kind: ClassVar[Kind] = "unavailable"


class ModelMissingError(UnavailableError):
    """The model files are not on this machine; run 'immich-aio models list' to see what is here."""


class ModelFetchError(UnavailableError):
    """The model files could not be fetched; set MODEL_SOURCES to a source that can be reached."""

    def __init__(
        self, message: str | None = None, *, definite: bool = False, reasons: str = ""
    ) -> None:
        super().__init__(message)
        self.definite = definite
        """Whether trying again is of no use until somebody changes something."""

        self.reasons = reasons
        """Which source failed for what reason; empty where the fault was no source's."""


class LicenseError(UnavailableError):
    """The licence of the face models was not accepted; run 'immich-aio models pull NAME'."""


class BadCheckpointError(UnavailableError):
    """The checkpoint cannot be used; pull it again, or import another file."""


class ElsewhereError(UnavailableError):
    """Another process is at this back-fill. 'immich-aio backfill status' shows how far it is."""


class SpillError(UnavailableError):
    """An upload that must wait can be kept neither in memory nor on disk; free some space there."""


class UpstreamError(AioError):
    """Another server failed or answered something that is not its protocol."""

    kind: ClassVar[Kind] = "upstream"


class UnreachableError(UpstreamError):
    """Another server cannot be reached, or says that it is not ready; it did not begin the work."""


class TimeoutExceededError(AioError):
    """No answer came in time."""

    kind: ClassVar[Kind] = "timeout"


class CancelledWorkError(AioError):
    """The caller hung up before the work was done."""

    kind: ClassVar[Kind] = "cancelled"


class InternalError(AioError):
    """Something failed that should not; the log has the details."""

"""What a replica answers: a result, or one of our errors as it was raised."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Generic, TypeVar

from immich_aio.engines.protocol import Engine
from immich_aio.errors import AioError

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answer(Generic[Result]):
    """An error is a value here: a picture that cannot be read is no fault of the replica's, and
    what Ray makes of an error that is raised is neither the same error nor quiet about it.

    ``engine`` says what the replica runs on, for people.
    """

    outcome: Result | AioError
    engine: str

    def result(self) -> Result:
        """The result. Raises the error where there is none."""
        if isinstance(self.outcome, AioError):
            raise self.outcome
        return self.outcome


async def answered(engine: Engine, work: Awaitable[Result]) -> Answer[Result]:
    """What came of an engine's work."""
    outcome: Result | AioError
    try:
        outcome = await work
    except AioError as error:
        outcome = error
    return Answer(outcome, engine.health().description)

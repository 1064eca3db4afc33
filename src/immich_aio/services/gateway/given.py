"""What came with a request beside its tasks, in the form in which a backend wants it."""

from __future__ import annotations

from dataclasses import dataclass

from immich_aio.errors import BadInputError
from immich_aio.services.gateway.body import Body


@dataclass(frozen=True, slots=True)
class Fields:
    """The image's file and the text; None where there is none."""

    image: bytes | None = None
    text: str | None = None


NOTHING = Fields()


class Given:
    """The fields of a form, whose ``body`` can also be passed on as it came.

    They are taken from the body whenever they are needed, so that those that wait are in memory
    once, or not at all. What is missing and needed makes a bad request.
    """

    def __init__(self, *, body: Body | None = None, fields: Fields = NOTHING) -> None:
        self.body = body
        self._fields = fields

    async def fields(self) -> Fields:
        """All of them. Raises BadInputError or TooLargeError for a form that is none."""
        if self.body is None:
            return self._fields
        parts = await self.body.parts()
        image, text = parts.pop("image", None), parts.pop("text", None)
        return Fields(
            None if image is None else bytes(image.data),
            None if text is None else text.data.decode("utf-8", "replace"),
        )

    async def require(self, field: str, task: str) -> None:
        """Raises BadInputError where a form that is whole has no such field."""
        if self.body is not None and field not in await self.body.names():
            raise _missing(field, task)

    async def image(self, task: str) -> bytes:
        """The image's file, for a task that needs one. Raises BadInputError."""
        image = (await self.fields()).image
        if image is None:
            raise _missing("image", task)
        return image

    async def text(self) -> str:
        """The text. Raises BadInputError."""
        text = (await self.fields()).text
        if text is None:
            raise _missing("text", "CLIP")
        return text


def _missing(field: str, task: str) -> BadInputError:
    return BadInputError(f"{task} needs the {field} as the multipart field '{field}'.")

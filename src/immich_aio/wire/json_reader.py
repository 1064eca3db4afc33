"""JSON that knows where it came from: values that refuse to be read as what they are not.

Every refusal names the path of the value, such as ``entries.ocr.detection.modelName``, and raises
the error that the document was opened with: whose mistake it is depends on who wrote it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NoReturn

from immich_aio.errors import AioError


@dataclass(frozen=True, slots=True)
class JsonNode:
    """A JSON value, its path, and the error to raise where it is not what it must be."""

    value: object
    path: str
    error: type[AioError]

    def refuse(self, why: str) -> NoReturn:
        """Raise the document's error: ``path: why.``"""
        raise self.error(f"{self.path}: {why}.")

    def members(self) -> dict[str, JsonNode]:
        """Give everything in an object by its key, null included."""
        if not isinstance(self.value, dict):
            self.refuse("must be an object")
        return {key: self._at(f".{shown(key)}", value) for key, value in self.value.items()}

    def items(self) -> list[JsonNode]:
        """Give everything in a list."""
        if not isinstance(self.value, list):
            self.refuse("must be a list")
        return [self._at(f"[{index}]", value) for index, value in enumerate(self.value)]

    def find(self, key: str) -> JsonNode | None:
        """Look for the member of an object; None where it is missing or null."""
        if not isinstance(self.value, dict):
            self.refuse("must be an object")
        value = self.value.get(key)
        return None if value is None else self._at(f".{key}", value)

    def get(self, key: str) -> JsonNode:
        """Give the member of an object, which must be there and not null."""
        return self.find(key) or self._at(f".{key}", None).refuse("is missing")

    def text(self) -> str:
        """Read a string, which may be empty."""
        if not isinstance(self.value, str) or not is_utf8(self.value):
            self.refuse("must be text")
        return self.value

    def name(self) -> str:
        """Read a string that is not empty."""
        return self.text() or self.refuse("must not be empty")

    def number(self, low: float, high: float) -> float:
        """Read a number within ``low`` … ``high``."""
        number = self.value
        if isinstance(number, bool) or not isinstance(number, int | float):
            self.refuse("must be a number")
        if not low <= number <= high:  # NaN too ends here
            self.refuse(f"must be within {low:g}…{high:g}")
        return float(number)

    def positive_int(self) -> int:
        """Read a whole number from 1, however it is spelled."""
        number = self.number(1, 2**53)
        return int(number) if number.is_integer() else self.refuse("must be a whole number")

    def _at(self, step: str, value: object) -> JsonNode:
        return JsonNode(value, self.path + step, self.error)


def read_json(raw: str | bytes, path: str, error: type[AioError]) -> JsonNode:
    """Open a document, which messages call ``path``; raises ``error`` for what is not JSON."""
    try:
        return JsonNode(json.loads(raw, parse_constant=_no_constant), path, error)
    except (ValueError, RecursionError) as cause:
        raise error(f"{path}: is not JSON.") from cause


def is_utf8(text: str) -> bool:
    """Tell text from halves of surrogate pairs, which JSON can spell and no reply can carry."""
    return text == text.encode(errors="replace").decode()


def shown(foreign: object, most: int = 60) -> str:
    """Make a foreign value fit for a message."""
    return str(foreign)[:most].encode(errors="replace").decode()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is Python's, not JSON's")

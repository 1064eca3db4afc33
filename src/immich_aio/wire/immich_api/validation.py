"""Reads the body of a request field by field, and refuses it in Immich's own words.

The issues of 3.x are those that zod 4.3.6 gives to Immich's schemas; their order is that of the
fields as they are read. Unknown fields are ignored, as Immich ignores them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import NoReturn, TypeVar
from uuid import UUID

from immich_aio.domain.asset_search import UNSET, Date, Flag, Text, Unset
from immich_aio.domain.immich import Shape
from immich_aio.wire.immich_api.errors import Issue, bad_request, failed_validation

Choice = TypeVar("Choice", bound=Enum)
Value = TypeVar("Value")

_UUID = r"^([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12})$"
_DAY = (
    r"(?:\d\d[2468][048]|\d\d[13579][26]|\d\d0[48]|[02468][048]00|[13579][26]00)-02-29|"
    r"\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|"
    r"(?:02)-(?:0[1-9]|1\d|2[0-8]))"
)
_DATETIME = (
    rf"^(?:{_DAY})T(?:(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?"
    r"(?:Z|([+-](?:[01]\d|2[0-3]):[0-5]\d)))$"
)
_SAFE = 2**53 - 1
_ABSENT = object()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_json_body(raw: bytes) -> object:
    """Read a body as Immich's server does; an empty one is as good as none.

    Raises ImmichHttpError (400) for what is not JSON.
    """
    if not raw.strip():
        return _ABSENT
    try:
        return json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"Unexpected token in JSON: {error}") from None


class BodyReader:
    """One body. Each ``take`` gives UNSET for a field that is missing, or notes what is wrong."""

    def __init__(self, body: object, shape: Shape) -> None:
        self._shape = shape
        self._issues: list[Issue] = []
        self._fields = body if isinstance(body, dict) else {}
        self._read: set[str] = set()
        if not isinstance(body, dict):
            self._wrong_type("object", body, [])

    def finish(self, *, only_known: bool = False) -> None:
        """Raise ImmichHttpError (400) if anything was wrong.

        With ``only_known`` also if there are fields that were not read, which Immich ignores.
        """
        if self._issues:
            raise failed_validation(self._issues)
        if only_known and (unread := self._fields.keys() - self._read):
            raise bad_request(f"Unknown fields: {', '.join(sorted(unread))}")

    def take_text(self, key: str, *, nullable: bool = False, empty_is_null: bool = False) -> Text:
        """Read a text. ``empty_is_null`` is 2.x's way with some filters."""
        value = self._value(key)
        if value == "" and empty_is_null and self._shape is Shape.V2_2:
            return None
        if value is _ABSENT or (value is None and nullable):
            return UNSET if value is _ABSENT else None
        return value if isinstance(value, str) else self._wrong_type("string", value, [key])

    def take_required_text(self, key: str) -> str:
        """Read a text that must be there; what comes back otherwise is not to be used."""
        text = self.take_text(key)
        if isinstance(text, str):
            return text
        if text is UNSET:
            self._wrong_type("string", _ABSENT, [key])
        return ""

    def take_flag(self, key: str) -> Flag:
        """Read true or false."""
        value = self._value(key)
        if self._shape is Shape.V2_2 and isinstance(value, str) and value in ("true", "false"):
            return value == "true"
        if value is _ABSENT or isinstance(value, bool):
            return value if isinstance(value, bool) else UNSET
        return self._wrong_type("boolean", value, [key])

    def take_date(self, key: str) -> Date:
        """Read an ISO 8601 date and time, which must name its offset."""
        value = self._value(key)
        if value is _ABSENT or (value is None and self._shape is Shape.V2_2):
            return UNSET
        # The year 0 is none for Python; PostgreSQL refuses it as well.
        if isinstance(value, str) and _matches(_DATETIME, value) and value[:4] != "0000":
            return _moment(value)
        if self._shape is Shape.V2_2:  # it stops at the first, while it still transforms
            raise bad_request(f"{key} must be a date string")
        words = f"Invalid input: expected ISO 8601 datetime string, received {_js_typeof(value)}"
        if not isinstance(value, str):
            return self._wrong_type("string", value, [key], words)
        return self._wrong_format("datetime", _DATETIME, [key], words)

    def take_required_date(self, key: str) -> datetime:
        """Read a date that must be there; what comes back otherwise is not to be used."""
        if key in self._fields:
            date = self.take_date(key)
            return date if isinstance(date, datetime) else _EPOCH
        words = "Invalid input: expected ISO 8601 datetime string, received undefined"
        self._wrong_type("string", _ABSENT, [key], words)
        return _EPOCH

    def take_uuid(self, key: str, *, nullable: bool = False) -> UUID | Unset | None:
        """Read a UUID of version 4."""
        value = self._value(key)
        if value is _ABSENT or (value is None and nullable):
            return UNSET if value is _ABSENT else None
        return self._uuid(value, [key])

    def take_uuids(self, key: str, *, nullable: bool = False) -> tuple[UUID, ...] | Unset | None:
        """Read a list of UUIDs."""
        return self._take_list(key, self._uuid, nullable=nullable)

    def take_required_uuids(self, key: str) -> tuple[UUID, ...]:
        """Read a list of UUIDs that must be there."""
        found = self.take_uuids(key)
        if found is UNSET and key not in self._fields:
            self._wrong_type("array", _ABSENT, [key])
        return found or () if not isinstance(found, Unset) else ()

    def take_int(
        self, key: str, low: int, high: int = _SAFE, *, nullable: bool = False
    ) -> int | Unset | None:
        """Read a whole number within ``low`` … ``high``."""
        value = self._value(key)
        if value is _ABSENT or (value is None and nullable):
            return UNSET if value is _ABSENT else None
        number = self._number(value, key)
        if isinstance(number, Unset):
            return UNSET
        if number > _SAFE:
            self._unsafe(key)
        if number < low or number > high:
            return self._too_far(*(("small", low) if number < low else ("big", high)), key)
        return int(number)

    def take_choice(self, key: str, choices: type[Choice]) -> Choice | Unset:
        """Read one of a few words."""
        value = self._value(key)
        if value is _ABSENT:
            return UNSET
        known = {choice.value: choice for choice in choices}
        if isinstance(value, str) and value in known:
            return known[value]
        return self._no_such(list(known), [key])

    def take_words(self, key: str, known: list[str]) -> tuple[str, ...]:
        """Read a list of at least one of these words, which must be there."""

        def one(value: object, path: list[str | int]) -> str | Unset:
            return (
                value if isinstance(value, str) and value in known else self._no_such(known, path)
            )

        found = self._take_list(key, one)
        if found is UNSET and key not in self._fields:
            self._wrong_type("array", _ABSENT, [key])
        if found == () and self._fields.get(key) == []:
            zod: dict[str, object] = {"origin": "array", "code": "too_small", "minimum": 1}
            message = "Too small: expected array to have >=1 items"
            zod |= {"inclusive": True, "path": [key], "message": message}
            self._issues.append(Issue(zod, f"{key} must contain at least 1 elements"))
        return found or () if not isinstance(found, Unset) else ()

    def require_choice(self, key: str, known: list[str]) -> str:
        """Read one of these words, which must be there."""
        value = self._fields.get(key)
        if isinstance(value, str) and value in known:
            return value
        self._no_such(known, [key])
        return ""

    # ---- Parts

    def _value(self, key: str) -> object:
        self._read.add(key)
        return self._fields.get(key, _ABSENT)

    def _take_list(
        self,
        key: str,
        item: Callable[[object, list[str | int]], Value | Unset],
        *,
        nullable: bool = False,
    ) -> tuple[Value, ...] | Unset | None:
        value = self._value(key)
        if value is _ABSENT or (value is None and nullable):
            return UNSET if value is _ABSENT else None
        if not isinstance(value, list):
            return self._wrong_type("array", value, [key])
        found = [item(each, [key, index]) for index, each in enumerate(value)]
        return tuple(each for each in found if not isinstance(each, Unset))

    def _uuid(self, value: object, path: list[str | int]) -> UUID | Unset:
        if not isinstance(value, str):
            return self._wrong_type("string", value, path)
        if not _matches(_UUID, value):
            return self._wrong_format("uuid", _UUID, path, "Invalid UUID")
        return UUID(value)

    def _number(self, value: object, key: str) -> float | Unset:
        if self._shape is Shape.V2_2 and isinstance(value, str):
            value = int(value) if value.strip().lstrip("-").isdigit() else value
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self._wrong_type("number", value, [key])
        zod: dict[str, object] = {"expected": "int", "format": "safeint", "code": "invalid_type"}
        if isinstance(value, float) and math.isinf(value):
            zod = {"expected": "number", "code": "invalid_type", "received": "Infinity"}
        elif isinstance(value, int) or value.is_integer():
            return value
        message = f"Invalid input: expected {zod['expected']}, received number"
        issue = Issue(zod | {"path": [key], "message": message}, f"{key} must be an integer number")
        self._issues.append(issue)
        return UNSET

    def _wrong_type(
        self, expected: str, value: object, path: list[str | int], message: str | None = None
    ) -> Unset:
        text = message or f"Invalid input: expected {expected}, received {_kind(value)}"
        zod: dict[str, object] = {"expected": expected, "code": "invalid_type", "path": path}
        words = {"boolean": "a boolean value", "number": "an integer number", "array": "an array"}
        kind = words.get(expected, f"a {expected}")
        self._issues.append(Issue(zod | {"message": text}, f"{_subject(path)} must be {kind}"))
        return UNSET

    def _wrong_format(self, form: str, pattern: str, path: list[str | int], message: str) -> Unset:
        zod: dict[str, object] = {"origin": "string", "code": "invalid_format", "format": form}
        zod |= {"pattern": f"/{pattern}/", "path": path, "message": message}
        self._issues.append(Issue(zod, f"{_subject(path)} must be a {form.upper()}"))
        return UNSET

    def _no_such(self, known: list[str], path: list[str | int]) -> Unset:
        options = "|".join(f'"{word}"' for word in known)
        message = f"Invalid option: expected one of {options}"
        zod: dict[str, object] = {"code": "invalid_value", "values": known, "path": path}
        words = f"{_subject(path)} must be one of the following values: {', '.join(known)}"
        self._issues.append(Issue(zod | {"message": message}, words))
        return UNSET

    def _too_far(self, way: str, limit: int, key: str) -> Unset:
        name, sign = ("minimum", ">") if way == "small" else ("maximum", "<")
        zod: dict[str, object] = {"origin": "number", "code": f"too_{way}", name: limit}
        message = f"Too {way}: expected number to be {sign}={limit}"
        zod |= {"inclusive": True, "path": [key], "message": message}
        word = "less" if way == "small" else "greater"
        self._issues.append(Issue(zod, f"{key} must not be {word} than {limit}"))
        return UNSET

    def _unsafe(self, key: str) -> None:
        """Note a number that JavaScript cannot tell from its neighbours."""
        zod: dict[str, object] = {"code": "too_big", "maximum": _SAFE}
        zod["note"] = "Integers must be within the safe integer range."
        message = f"Too big: expected int to be <={_SAFE}"
        zod |= {"origin": "int", "inclusive": True, "path": [key], "message": message}
        self._issues.append(Issue(zod, f"{key} must be an integer number"))


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern[1:-1], text, re.ASCII) is not None


def _moment(text: str) -> datetime:
    """Read it as JavaScript does, which cuts off after milliseconds."""
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _subject(path: list[str | int]) -> str:
    return f"each value in {path[0]}" if len(path) > 1 else str(path[0] if path else "body")


def _kind(value: object) -> str:
    """Name the type of a JSON value as zod does."""
    if value is _ABSENT:
        return "undefined"
    names = {bool: "boolean", str: "string", int: "number", float: "number", list: "array"}
    return "null" if value is None else names.get(type(value), "object")


def _js_typeof(value: object) -> str:
    kind = _kind(value)
    return "object" if kind in ("null", "array") else kind


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")

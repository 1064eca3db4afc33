"""SQL statements and fragments in ``.sql`` files, each under a name.

    -- name: asset_by_id
    SELECT … WHERE id = :id

A name may be given twice: ``-- name: in_albums @2.2`` is taken where the shape of the tables is
Immich 2.2's, and the plain one everywhere else. Parameters are written ``:name``, as psql takes
them, and become psycopg's ``%(name)s``. Comments before the first name describe the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from typing import LiteralString

from immich_aio.domain.immich import Shape
from immich_aio.errors import InternalError

_HEADING = re.compile(r"^-- name: (?P<name>\w+)(?: @(?P<shape>[\d.]+))?$", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):(?P<name>[a-z]\w*)")
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)


class NamedSql(Mapping[str, LiteralString]):
    """The statements of one file for one shape of the tables."""

    def __init__(self, file: Traversable, shape: Shape) -> None:
        self._file = file.name
        self._sql = _statements(file.read_text("utf-8"), shape)

    def __getitem__(self, name: str) -> LiteralString:
        """Give a statement as psycopg takes it; raises InternalError for a name that is not there.

        It is literal as far as injection goes: no value of a request is ever part of a file.
        """
        if name not in self._sql:
            raise InternalError(f"{self._file} has no statement named {name}.")
        return self._sql[name]

    def __contains__(self, name: object) -> bool:
        return name in self._sql

    def __iter__(self) -> Iterator[str]:
        return iter(self._sql)

    def __len__(self) -> int:
        return len(self._sql)


def _statements(text: str, shape: Shape) -> dict[str, str]:
    headings = list(_HEADING.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    plain: dict[str, str] = {}
    special: dict[str, str] = {}
    for heading, end in zip(headings, ends, strict=True):
        into = {None: plain, shape.value: special}.get(heading["shape"])
        if into is not None:
            into[heading["name"]] = _for_psycopg(text[heading.end() : end])
    return plain | special


def _for_psycopg(sql: str) -> str:
    bare = _COMMENT.sub("", sql).strip().removesuffix(";")
    return _PARAMETER.sub(r"%(\g<name>)s", bare.replace("%", "%%"))

"""How the rest of a file is asked for, and what the reply's status and headers mean. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from immich_aio.engines.model_files.hashes import SHA256

CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
LASTING = frozenset({400, 401, 403, 404, 405, 410, 451})
"""Statuses that asking again does not change."""


class SourceError(Exception):
    """Why one source did not give the file; ``definite`` where asking it again is of no use.

    It stays within this package: when no source is left, all reasons together are told in one
    ModelFetchError.
    """

    def __init__(self, reason: str, *, definite: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.definite = definite


class StartOverError(Exception):
    """What has come so far does not fit what this source has: ask again, for all of it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a part of the file has come from, and by what that source knows the file."""

    url: str
    etag: str | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Body:
    """What a reply's body is: the file from byte ``offset`` on, of ``total`` if that was said."""

    offset: int
    total: int | None


def range_headers(size: int, origin: Origin | None, url: str, pinned: str | None) -> dict[str, str]:
    """How to ask for what is missing after ``size`` bytes; nothing to ask for all of the file.

    A file whose hash is known may come from several sources; a wrong mixture is found out in the
    end. Without one, only the same address will do, and only while it has the same file there.
    """
    only = {"Range": f"bytes={size}-"}
    if not size:
        return {}
    if pinned is not None or (origin is not None and origin.sha256 is not None):
        return only
    if origin is not None and origin.url == url and origin.etag is not None:
        return {**only, "If-Range": origin.etag}
    return {}


def check_announced(announced: str | None, *, pinned: str | None, begun: str | None) -> None:
    """Compare the hash that a source announces with the one we must have, or had begun with.

    Raises SourceError or StartOverError, before anything is fetched in vain.
    """
    if announced is None:
        return
    if pinned is not None and announced != pinned:
        raise SourceError(
            f"has another file (SHA-256 {announced[:12]}…, not {pinned[:12]}…)", definite=True
        )
    if begun is not None and announced != begun:
        raise StartOverError


def read_reply(status: int, headers: Mapping[str, str], *, asked: int, size: int | None) -> Body:
    """What the reply brings, where the file was asked for from byte ``asked`` on.

    ``headers`` finds names in any case; ``size`` is the file's, where it is known. Raises
    SourceError when this is not the file, StartOverError when only all of it can be had.
    """
    if status == HTTPStatus.OK:
        body = _whole(headers)
    elif status == HTTPStatus.PARTIAL_CONTENT:
        body = _part(headers, asked)
    elif status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and asked:
        body = _nothing_left(headers, asked)
    else:
        raise SourceError(f"answered {_named(status)}", definite=status in LASTING)
    if size is not None and body.total is not None and size != body.total:
        raise SourceError(f"has {body.total:,} bytes and not {size:,}", definite=True)
    return Body(body.offset, body.total if size is None else size)


def linked_sha256(replies: Iterable[Mapping[str, str]]) -> str | None:
    """The SHA-256 that Hugging Face and its mirrors tell of a file in large-file storage.

    It stands on the reply that redirects to the storage, so all replies on the way are searched.
    """
    for headers in replies:
        tag = headers.get("X-Linked-Etag", "").removeprefix("W/").strip('"').lower()
        if SHA256.fullmatch(tag):
            return tag
    return None


def strong_etag(headers: Mapping[str, str]) -> str | None:
    """The tag by which the same bytes can be asked for again, where there is one."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else None


def _whole(headers: Mapping[str, str]) -> Body:
    if headers.get("Content-Type", "").startswith("text/html"):
        raise SourceError("answered a web page and no file; is a login or a proxy in between?")
    length = headers.get("Content-Length", "")
    return Body(0, int(length) if length.isdecimal() else None)


def _part(headers: Mapping[str, str], asked: int) -> Body:
    found = CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if found is None or found[1] is None or int(found[1]) != asked:
        raise SourceError("answered another part of the file than was asked for")
    return Body(asked, None if found[2] == "*" else int(found[2]))


def _nothing_left(headers: Mapping[str, str], asked: int) -> Body:
    """416 is right when all of the file is here already; else what is here is of another file."""
    found = CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if found is None or found[2] != str(asked):
        raise StartOverError
    return Body(asked, asked)


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)

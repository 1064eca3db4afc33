"""Whether assets as we write them, from Immich's tables, are Immich's own to the last field.

Immich's version tells nothing for sure, so its replies are looked at: a sample of them is asked for
in a caller's name and compared with ours. What was found equal is believed for the same version of
Immich, the same search, and the same kind of file, for an hour.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import DictRow
from psycopg_pool import PoolTimeout

from immich_aio.domain.asset_search import AssetFilters, AssetSearch
from immich_aio.domain.immich import Visibility
from immich_aio.errors import AioError, UpstreamError
from immich_aio.services.companion.caller import Caller
from immich_aio.services.companion.search_asked import Kind
from immich_aio.services.companion.searching import Found
from immich_aio.upstream.immich_api import ImmichApi
from immich_aio.wire.immich_api.assets import asset_reply
from immich_aio.wire.immich_api.media import mime_type

SAMPLE = 50
"""Assets that are compared at once."""
BELIEVED = 3600.0
"""Seconds for which a sample that was equal is believed."""
DOUBTED = 60.0
"""Seconds after which one that was not, or could not be had, is taken again."""
VERSION_FRESH = 30.0
PROBES = 3
"""Kinds of files that are looked at side by side; others wait for the next search."""
PATIENCE = 1.0
"""Seconds that a search waits for a sample, which then goes on without it."""
Group = tuple[str, str]
"""What decides how an asset is written: its type, and the MIME type by its file's name."""
Item = dict[str, Any]
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a verdict is about."""

    version: str
    kind: Kind
    with_exif: bool
    group: Group


@dataclass(frozen=True, slots=True)
class _Verdict:
    is_equal: bool
    made_at: float

    @property
    def holds(self) -> bool:
        return time.monotonic() - self.made_at <= (BELIEVED if self.is_equal else DOUBTED)


class Parity:
    """Knows which assets may be written from the tables."""

    def __init__(self, api: ImmichApi) -> None:
        self._api = api
        self._verdicts: dict[_Subject, _Verdict] = {}
        self._probes: dict[_Subject, asyncio.Task[None]] = {}
        self._version: tuple[float, str] | None = None

    async def trusted(
        self,
        kind: Kind,
        search: AssetSearch,
        caller: Caller,
        found: Found,
        examples: Mapping[Group, DictRow],
    ) -> frozenset[Group]:
        """Those of the groups that we write as Immich does; others are looked at meanwhile.

        Raises UpstreamError or TimeoutExceededError where Immich does not tell its version.
        """
        version = await self._current_version()
        subjects = {group: _Subject(version, kind, search.with_exif, group) for group in examples}
        unknown = [one for one in subjects.values() if not self._is_known(one)][:PROBES]
        if unknown:
            probes = [
                self._probe(one, search, caller, found, examples[one.group]) for one in unknown
            ]
            await asyncio.wait(probes, timeout=PATIENCE)
        return frozenset(group for group, one in subjects.items() if self._is_equal(one))

    async def close(self) -> None:
        """End what is being looked at."""
        for task in tuple(self._probes.values()):
            task.cancel()

    def _is_known(self, subject: _Subject) -> bool:
        verdict = self._verdicts.get(subject)
        return verdict is not None and verdict.holds

    def _is_equal(self, subject: _Subject) -> bool:
        return self._is_known(subject) and self._verdicts[subject].is_equal

    async def _current_version(self) -> str:
        if self._version is None or time.monotonic() - self._version[0] > VERSION_FRESH:
            version = await self._api.version()
            if self._version is not None and self._version[1] != version:
                _LOG.info("Immich is %s now; its replies are looked at anew.", version)
                self._verdicts.clear()
            self._version = (time.monotonic(), version)
        return self._version[1]

    def _probe(
        self, subject: _Subject, search: AssetSearch, caller: Caller, found: Found, row: DictRow
    ) -> asyncio.Task[None]:
        """Look at it in a task of its own, unless somebody does."""
        if subject not in self._probes:
            work = self._look(subject, search, caller, found, row)
            task = self._probes[subject] = asyncio.create_task(work)
            task.add_done_callback(lambda _task: self._probes.pop(subject, None))
        return self._probes[subject]

    async def _look(
        self, subject: _Subject, search: AssetSearch, caller: Caller, found: Found, row: DictRow
    ) -> None:
        self._note(subject, is_equal=False)  # unless it turns out otherwise
        sample = _Sampler(self._api, caller, search.filters.visibility, subject.with_exif)
        try:
            theirs = await sample.of(subject.kind, row)
            ours = await _ours(found, caller, subject.with_exif, search, theirs)
        except (AioError, psycopg.Error, PoolTimeout, KeyError, ValueError) as error:
            _LOG.warning("Immich's replies could not be looked at: %r", error)
            return
        different = {group: fields for group, item in ours if (fields := _faults(*item))}
        for group in {group for group, _ in ours}:
            self._note(replace(subject, group=group), is_equal=group not in different)
        for group, fields in different.items():
            _LOG.warning(
                "Immich %s writes %s otherwise than we do (%s), so such results are asked of it.",
                subject.version,
                group[1],
                ", ".join(sorted(fields)),
            )

    def _note(self, subject: _Subject, *, is_equal: bool) -> None:
        self._verdicts[subject] = _Verdict(is_equal, time.monotonic())


def group_of(row: DictRow) -> Group:
    """What decides how this asset is written."""
    return row["type"], mime_type(row["originalFileName"])


class _Sampler:
    """Asks Immich for a sample of what a search would give."""

    def __init__(
        self, api: ImmichApi, caller: Caller, visibility: Visibility | None, with_exif: bool
    ) -> None:
        self._api = api
        self._caller = caller
        self._common: Item = {"withExif": with_exif}
        if visibility is not None:
            self._common["visibility"] = visibility.value

    async def of(self, kind: Kind, row: DictRow) -> list[Item]:
        """Those of the row's type, and the row's own asset. Raises AioError."""
        alike = {"type": row["type"], "size": SAMPLE}
        if kind is Kind.SMART:
            near = await self._items(kind, alike | {"queryAssetId": str(row["id"])})
            if near:
                return near
        one = {"id": str(row["id"]), "withDeleted": True, "size": 1}
        own, others = await asyncio.gather(
            self._items(Kind.METADATA, one), self._items(Kind.METADATA, alike)
        )
        return own + others

    async def _items(self, kind: Kind, body: Item) -> list[Item]:
        """None where it is refused, as a smart search is by an asset without a vector."""
        path = kind.value
        reply = await self._api.post(path, self._common | body, self._caller.credentials)
        if reply.status == 400:
            return []
        return items_of(await self._api.read(reply, path))


def items_of(reply: Mapping[str, Any]) -> list[Item]:
    """The assets in the reply to a search. Raises UpstreamError where it is none."""
    try:
        items = reply["assets"]["items"]
    except (KeyError, TypeError):
        items = None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UpstreamError("Immich answered a search with something else.")
    return items


async def _ours(
    found: Found, caller: Caller, with_exif: bool, search: AssetSearch, theirs: Sequence[Item]
) -> list[tuple[Group, tuple[Item, Item]]]:
    """Of those assets ours and theirs, by group, where nothing has changed in between."""
    by_id = {UUID(item["id"]): item for item in theirs}
    every = AssetFilters(visibility=search.filters.visibility, with_deleted=True)
    wide = AssetSearch(filters=every, size=SAMPLE, with_exif=with_exif)
    shape = found.parts.tables.shape
    pairs = []
    for row in await found.rows(wide, list(by_id)):
        ours = json.loads(json.dumps(asset_reply(row, caller.user_id, shape)))
        item = by_id[row["id"]]
        if item.get("updatedAt") == ours["updatedAt"]:
            pairs.append((group_of(row), (ours, item)))
    return pairs


def _faults(ours: Item, theirs: Item) -> set[str]:
    """The names of the fields that differ."""
    absent = object()
    names: Iterable[str] = ours.keys() | theirs.keys()
    return {name for name in names if ours.get(name, absent) != theirs.get(name, absent)}

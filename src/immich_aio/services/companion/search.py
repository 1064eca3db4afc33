"""Searches that are answered in Immich's place; whatever goes wrong, Immich answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout
from starlette.responses import Response

from immich_aio.domain.immich import Shape, Visibility
from immich_aio.errors import AioError
from immich_aio.services.companion.asked import Asked, Instead
from immich_aio.services.companion.caller import Caller, Callers, credentials_of
from immich_aio.services.companion.index_keeper import IndexKeeper
from immich_aio.services.companion.json_reply import json_reply
from immich_aio.services.companion.parity import Item
from immich_aio.services.companion.search_asked import (
    Kind,
    SearchAsked,
    as_ocr_filter,
    is_ours,
    is_text_only,
    kind_of,
    read_search,
)
from immich_aio.services.companion.search_items import Items
from immich_aio.services.companion.search_metrics import Outcome, SearchMetrics
from immich_aio.services.companion.search_tail import Tail
from immich_aio.services.companion.searching import SEARCHING, Found, Searcher, Wish
from immich_aio.services.companion.smart_search import SmartSearchSwitch
from immich_aio.wire.immich_api.errors import ImmichHttpError
from immich_aio.wire.immich_api.search import search_reply
from immich_aio.wire.immich_api.validation import read_json_body

FAULTS = (AioError, psycopg.Error, PoolTimeout, OSError)
Answer = Response | Instead | None
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SearchServices:
    """What searches are answered with."""

    callers: Callers
    keeper: IndexKeeper
    searcher: Searcher
    items: Items
    tail: Tail
    switch: SmartSearchSwitch
    metrics: SearchMetrics


class NotOursError(Exception):
    """The request is Immich's to answer: as it came, or for ``ocr:`` by its own filter."""

    def __init__(self, *, as_it_came: bool = True) -> None:
        super().__init__()
        self.as_it_came = as_it_came


class SearchInterceptor:
    """Answers ``/search/smart`` with a query, and ``ocr:`` in ``/search/metadata``.

    Each within ``seconds``; after them, or on failure, Immich is asked, for ``ocr:`` by its own
    filter.
    """

    def __init__(self, services: SearchServices, seconds: float) -> None:
        self._services = services
        self._seconds = seconds
        self._late: set[asyncio.Task[tuple[Outcome, Response]]] = set()

    def concerns(self, method: str, path: str) -> bool:
        """See ``Interceptor``."""
        return method == "POST" and kind_of(path) is not None

    async def answer(self, asked: Asked) -> Answer:
        """See ``Interceptor``."""
        kind, began = kind_of(asked.path), time.monotonic()
        body = _json(asked.body)
        if kind is None or not isinstance(body, dict) or not is_ours(kind, body):
            return None
        outcome, answer = await self._answer(asked, kind, body)
        self._services.metrics.count(outcome, time.monotonic() - began)
        return answer

    async def _answer(
        self, asked: Asked, kind: Kind, body: Mapping[str, Any]
    ) -> tuple[Outcome, Answer]:
        instead = as_ocr_filter(kind, body) if is_text_only(kind, body) else None
        if not self._services.keeper.is_ready:
            return Outcome.OFF, instead
        try:
            return await self._in_time(self._ours(asked, kind, body))
        except NotOursError as error:
            return Outcome.IMMICH, None if error.as_it_came else instead
        except TimeoutError as error:
            self._services.keeper.suspect(error)
            _LOG.warning("A search took more than %g s; Immich answers.", self._seconds)
            return Outcome.LATE, instead
        except FAULTS as error:
            self._services.keeper.suspect(error)
            _LOG.warning("A search failed (%r); Immich answers.", error)
            return Outcome.FAILED, instead
        except Exception:  # noqa: BLE001  # whatever it is, Immich answers
            _LOG.exception("A search failed; Immich answers.")
            return Outcome.FAILED, instead

    async def _in_time(
        self, work: Coroutine[Any, Any, tuple[Outcome, Response]]
    ) -> tuple[Outcome, Response]:
        """What comes of it. Raises TimeoutError at once where it is late, and ends it meanwhile.

        A database that does not answer does not answer a cancellation either.
        """
        task = asyncio.create_task(work)
        try:
            await asyncio.wait({task}, timeout=self._seconds)
        finally:
            if not task.done():
                task.cancel()
                self._late.add(task)
                task.add_done_callback(self._forget)
        if not task.done():
            raise TimeoutError
        return task.result()

    def _forget(self, task: asyncio.Task[tuple[Outcome, Response]]) -> None:
        self._late.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _LOG.debug("A search that nobody waits for failed: %r", error)

    async def _ours(
        self, asked: Asked, kind: Kind, body: Mapping[str, Any]
    ) -> tuple[Outcome, Response]:
        """The reply. Raises NotOursError where Immich should answer it as it came."""
        services = self._services
        search = self._read(kind, body)
        is_locked = search.search.filters.visibility is Visibility.LOCKED
        caller = await self._caller(asked, anew=is_locked)  # it may just have been unlocked
        if caller is None or not caller.may(SEARCHING):
            raise NotOursError
        if is_locked and not caller.elevated:
            raise NotOursError
        if not search.query.text_only and not await services.switch.is_on():
            raise NotOursError
        found = await services.searcher.find(caller, _wish(search))
        if found.reason:
            outcome, page = Outcome.BY_TEXT, await self._by_text(body, search, caller, found)
        else:
            items = await services.items.of(kind, search.search, caller, found)
            outcome, page = Outcome.OURS, _page(items, search, has_more=found.page.has_more)
        return outcome, await json_reply(page, asked.headers)

    async def _caller(self, asked: Asked, *, anew: bool) -> Caller | None:
        callers = self._services.callers
        return await (callers.asked_anew(credentials_of(asked)) if anew else callers.of(asked))

    def _read(self, kind: Kind, body: Mapping[str, Any]) -> SearchAsked:
        tables = self._services.keeper.parts.tables
        try:
            search = read_search(kind, body, tables.shape)
        except ImmichHttpError:
            is_right = _is_right(kind, body, tables.shape)
            raise NotOursError(as_it_came=not is_right) from None
        if search is None:  # without words, or in an album
            raise NotOursError(as_it_came=kind is Kind.SMART)
        if search.search.filters.ocr and not tables.has_trigrams:
            raise NotOursError(as_it_came=False)
        return search

    async def _by_text(
        self, body: Mapping[str, Any], search: SearchAsked, caller: Caller, found: Found
    ) -> object:
        """Photos with the words first, then what Immich itself finds."""
        if not found.is_by_words:
            raise NotOursError
        size, page = search.search.size, found.page
        own = await self._services.items.of(search.kind, search.search, caller, found)
        if page.has_more or search.query.excluded:  # Immich knows no exclusions
            return _page(own, search, has_more=page.has_more)
        known = [*page.earlier, *(hit.asset_id for hit in page.hits)]
        if not known:
            raise NotOursError
        missing = size - len(page.hits)
        if not missing:
            return _page(own, search, has_more=True)
        start = max(0, found.request.offset - len(known))
        asked = dict(body) | {"query": search.query.meaning}
        rest = await self._services.tail.part(asked, caller, start, missing, size)
        ids = set(map(str, known))
        items = own + [item for item in rest.items if item.get("id") not in ids]
        return _page(items, search, has_more=rest.has_more)


def _is_right(kind: Kind, body: Mapping[str, Any], shape: Shape) -> bool:
    """Whether Immich would take it: if not, it has the words for what is wrong."""
    try:
        read_search(kind, body, shape, only_known=False)
    except ImmichHttpError:
        return False
    return True


def _wish(search: SearchAsked) -> Wish:
    return Wish(
        query=search.query,
        filters=search.search.filters,
        page=search.search.page,
        size=search.search.size,
        language=search.language,
    )


def _page(items: Sequence[Item], search: SearchAsked, *, has_more: bool) -> object:
    """A page as Immich writes it."""
    return search_reply(items, search.search.page + 1 if has_more else None)


def _json(raw: bytes) -> object:
    try:
        return read_json_body(raw)
    except ImmichHttpError:
        return None

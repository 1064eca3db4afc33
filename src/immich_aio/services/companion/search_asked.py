"""What a request for a search asks of us; pure.

``/search/smart`` with a query is ours; ``/search/metadata`` where any of its texts begins with
``ocr:``. Whatever Immich might understand otherwise than we do is left to Immich.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from immich_aio.domain.asset_search import AssetSearch, MetadataSearch, SmartSearch
from immich_aio.domain.immich import Shape
from immich_aio.domain.search_query import SearchQuery, after_prefix, parse_query
from immich_aio.services.companion.asked import Instead
from immich_aio.wire.immich_api.search import SMART_SIZE, parse_metadata, parse_smart

Body = Mapping[str, Any]

TEXTS = (
    "originalFileName",
    "description",
    "ocr",
    "originalPath",
    "city",
    "state",
    "country",
    "make",
    "model",
    "lensModel",
)
"""The fields of ``/search/metadata`` into which people type."""
_ONLY_SMART = frozenset({"query", "queryAssetId", "language"})


class Kind(Enum):
    """Immich's two searches, by their paths."""

    SMART = "/api/search/smart"
    METADATA = "/api/search/metadata"


@dataclass(frozen=True, slots=True)
class SearchAsked:
    """A search that is ours to answer."""

    kind: Kind
    search: AssetSearch
    query: SearchQuery
    language: str | None = None


def kind_of(path: str) -> Kind | None:
    """Which search a path is; None where it is none."""
    return next((kind for kind in Kind if kind.value == path), None)


def is_ours(kind: Kind, body: object) -> bool:
    """Whether it can be ours at all."""
    if not isinstance(body, dict):
        return False
    if kind is Kind.METADATA:
        return bool(_typed(body))
    return isinstance(body.get("query"), str) and "queryAssetId" not in body


def is_text_only(kind: Kind, body: Body) -> bool:
    """Whether it is for text only, of those that can be ours."""
    return kind is Kind.METADATA or after_prefix(body["query"]) is not None


def read_search(
    kind: Kind, body: Body, shape: Shape, *, only_known: bool = True
) -> SearchAsked | None:
    """The search; None where it is Immich's. Raises ImmichHttpError where Immich would refuse it.

    With ``only_known`` also where there are fields that we do not know.
    """
    if kind is Kind.SMART:
        return _smart(parse_smart(body, shape, only_known=only_known))
    typed = _typed(body)
    rest = {name: value for name, value in body.items() if name not in typed}
    return _metadata(parse_metadata(rest, shape, only_known=only_known), typed)


def as_ocr_filter(kind: Kind, body: Body) -> Instead | None:
    """The same for Immich itself, by its own filter of that name; None where nothing is left."""
    typed = {"query": after_prefix(body["query"]) or ""} if kind is Kind.SMART else _typed(body)
    words = parse_query(" ".join(typed.values())).meaning.strip()
    if not words:
        return None
    away = _ONLY_SMART if kind is Kind.SMART else frozenset(typed)
    rest = {name: value for name, value in body.items() if name not in away}
    if kind is Kind.SMART:  # a page of the other search has another size
        rest.setdefault("size", SMART_SIZE)
    if isinstance(rest.get("ocr"), str):
        words = f"{rest['ocr']} {words}"
    return Instead(json.dumps(rest | {"ocr": words}).encode(), Kind.METADATA.value)


def _smart(search: SmartSearch) -> SearchAsked | None:
    if not search.query:
        return None
    return SearchAsked(Kind.SMART, search, parse_query(search.query), search.language)


def _metadata(search: MetadataSearch, typed: Mapping[str, str]) -> SearchAsked | None:
    if search.filters.album_ids:  # whose albums may be looked into is for Immich to say
        return None
    return SearchAsked(Kind.METADATA, search, parse_query("ocr:" + " ".join(typed.values())))


def _typed(body: Body) -> dict[str, str]:
    """What follows ``ocr:``, by field."""
    values = {name: body.get(name) for name in TEXTS}
    texts = {name: after_prefix(value) for name, value in values.items() if isinstance(value, str)}
    return {name: text for name, text in texts.items() if text is not None}

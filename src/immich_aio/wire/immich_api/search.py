"""The bodies of ``POST /search/smart`` and ``/search/metadata``, and the page in reply.

Fields are read in the order of Immich's schemas, so that faults are told in Immich's order.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, TypeVar

from immich_aio.domain.asset_search import (
    UNSET,
    AssetFilters,
    MetadataSearch,
    SmartSearch,
    Unset,
)
from immich_aio.domain.immich import AssetType, Order, Shape, Visibility
from immich_aio.wire.immich_api.validation import BodyReader

Value = TypeVar("Value")

SMART_SIZE = 100
METADATA_SIZE = 250
"""How many results a page has unless the caller says so."""


def parse_smart(body: object, shape: Shape, *, only_known: bool = False) -> SmartSearch:
    """Read what ``/search/smart`` is asked. Raises ImmichHttpError (400).

    Immich ignores fields that it does not know. With ``only_known`` they are refused: another
    version may know them.
    """
    reader = BodyReader(body, shape)
    filters = _shared_filters(reader, shape)
    with_deleted, with_exif, size = _about_results(reader, SMART_SIZE)
    query = _trimmed(reader, "query")
    asset_id = reader.take_uuid("queryAssetId")
    language = _or_none(reader.take_text("language"))
    page = reader.take_int("page", 1)
    reader.finish(only_known=only_known)
    return SmartSearch(
        filters=AssetFilters(**filters, with_deleted=with_deleted),
        page=_or(page, 1),
        size=size,
        with_exif=with_exif,
        query=query,
        query_asset_id=_or_none(asset_id),
        language=language,
    )


def parse_metadata(body: object, shape: Shape, *, only_known: bool = False) -> MetadataSearch:
    """Read what ``/search/metadata`` is asked; as ``parse_smart``."""
    reader = BodyReader(body, shape)
    filters = _shared_filters(reader, shape)
    with_deleted, with_exif, size = _about_results(reader, METADATA_SIZE)
    with_stacked = reader.take_flag("withStacked")
    with_people = reader.take_flag("withPeople") is True
    filters |= _metadata_filters(reader, shape)
    order = reader.take_choice("order", Order)
    page = reader.take_int("page", 1)
    reader.finish(only_known=only_known)
    return MetadataSearch(
        filters=AssetFilters(**filters, with_deleted=with_deleted, with_stacked=with_stacked),
        page=_or(page, 1),
        size=size,
        with_exif=with_exif,
        with_people=with_people,
        order=_or(order, Order.DESC),
    )


def search_reply(items: Sequence[dict[str, object]], next_page: int | None) -> dict[str, object]:
    """Write one page of results; Immich counts this page only, and finds no albums."""
    return {
        "albums": {"total": 0, "count": 0, "items": [], "facets": []},
        "assets": {
            "total": len(items),
            "count": len(items),
            "items": list(items),
            "facets": [],
            "nextPage": None if next_page is None else str(next_page),
        },
    }


def _shared_filters(reader: BodyReader, shape: Shape) -> dict[str, Any]:
    old = shape is Shape.V2_2
    filters: dict[str, Any] = {"library_id": _or_none(reader.take_uuid("libraryId", nullable=True))}
    if old:
        filters["device_id"] = _or_none(reader.take_text("deviceId"))
    filters["type"] = _or_none(reader.take_choice("type", AssetType))
    for name in ("isEncoded", "isFavorite", "isMotion", "isOffline"):
        filters[_field(name)] = reader.take_flag(name)
    filters["visibility"] = _or_none(reader.take_choice("visibility", Visibility))
    for name in ("created", "updated", "trashed", "taken"):
        for side in ("Before", "After"):
            filters[f"{name}_{side.lower()}"] = reader.take_date(name + side)
    for name in ("city", "state", "country", "make", "model", "lensModel"):
        filters[_field(name)] = reader.take_text(name, nullable=True, empty_is_null=True)
    filters["is_not_in_album"] = reader.take_flag("isNotInAlbum") is True
    filters["person_ids"] = _or(reader.take_uuids("personIds"), ()) or ()
    tag_ids = reader.take_uuids("tagIds", nullable=True)
    filters["tag_ids"] = () if isinstance(tag_ids, Unset) else tag_ids
    filters["album_ids"] = _or(reader.take_uuids("albumIds"), ()) or ()
    filters["rating"] = reader.take_int("rating", -1 if old else 1, 5, nullable=not old)
    filters["ocr"] = _or_none(reader.take_text("ocr"))
    return filters


def _about_results(reader: BodyReader, default_size: int) -> tuple[bool, bool, int]:
    with_deleted = reader.take_flag("withDeleted") is True
    with_exif = reader.take_flag("withExif") is True
    return with_deleted, with_exif, _or(reader.take_int("size", 1, 1000), default_size)


def _metadata_filters(reader: BodyReader, shape: Shape) -> dict[str, Any]:
    filters: dict[str, Any] = {"id": _or_none(reader.take_uuid("id"))}
    if shape is Shape.V2_2:
        filters["device_asset_id"] = _or_none(reader.take_text("deviceAssetId"))
    filters["description"] = _trimmed(reader, "description")
    filters["checksum"] = _checksum(_or_none(reader.take_text("checksum")))
    filters["original_file_name"] = _trimmed(reader, "originalFileName")
    filters["original_path"] = _or_none(reader.take_text("originalPath"))
    reader.take_text("previewPath")  # these two are accepted and have no effect
    reader.take_text("thumbnailPath")
    filters["encoded_video_path"] = _or_none(reader.take_text("encodedVideoPath"))
    return filters


def _checksum(text: str | None) -> bytes | None:
    """Read a SHA-1 in base64 (28 characters) or hexadecimal, as leniently as Node does."""
    if not text:
        return None
    try:
        return base64.b64decode(text) if len(text) == 28 else bytes.fromhex(text)
    except (ValueError, binascii.Error):
        return b""  # Node reads what it can; no asset has such a checksum


def _trimmed(reader: BodyReader, key: str) -> str | None:
    text = _or_none(reader.take_text(key))
    return text and (text.strip() or None)


def _field(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _or_none(value: Value | Unset | None) -> Value | None:
    """Take null and the empty text for a missing filter, where Immich does."""
    return None if value is UNSET or value == "" else value


def _or(value: Value | Unset | None, default: Value) -> Value:
    return default if value is None or isinstance(value, Unset) else value

"""What a search over Immich's assets asks for, as plain values.

Immich tells a filter that is missing from one that is null: null city means "has no city". A
missing one is UNSET here, null is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final
from uuid import UUID

from immich_aio.domain.immich import AssetType, Order, Visibility


class Unset(Enum):
    """The type of UNSET, which no value of a filter is."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
Text = str | None | Unset
Flag = bool | Unset
Date = datetime | Unset


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFilters:
    """Every filter of ``/search/smart`` and ``/search/metadata``; all of them must hold.

    Immich takes an empty text, list or null where it has no meaning for a missing filter; the
    fields of that kind are None or empty then. ``rating`` is 1…5.
    """

    id: UUID | None = None
    library_id: UUID | None = None
    device_id: str | None = None
    device_asset_id: str | None = None
    type: AssetType | None = None
    visibility: Visibility | None = None
    is_encoded: Flag = UNSET
    is_favorite: Flag = UNSET
    is_motion: Flag = UNSET
    is_offline: Flag = UNSET
    is_not_in_album: bool = False
    created_before: Date = UNSET
    created_after: Date = UNSET
    updated_before: Date = UNSET
    updated_after: Date = UNSET
    trashed_before: Date = UNSET
    trashed_after: Date = UNSET
    taken_before: Date = UNSET
    taken_after: Date = UNSET
    city: Text = UNSET
    state: Text = UNSET
    country: Text = UNSET
    make: Text = UNSET
    model: Text = UNSET
    lens_model: Text = UNSET
    rating: int | Unset | None = UNSET
    person_ids: tuple[UUID, ...] = ()
    album_ids: tuple[UUID, ...] = ()
    tag_ids: tuple[UUID, ...] | None = ()
    """None means untagged."""
    ocr: str | None = None
    description: str | None = None
    checksum: bytes | None = None
    original_file_name: str | None = None
    original_path: str | None = None
    encoded_video_path: str | None = None
    with_deleted: bool = False
    with_stacked: Flag = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetSearch:
    """One page of a search: its filters, and what the reply shall carry. Pages count from 1."""

    filters: AssetFilters
    page: int = 1
    size: int
    with_exif: bool = False
    with_people: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataSearch(AssetSearch):
    """``/search/metadata``: by date."""

    order: Order = Order.DESC


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartSearch(AssetSearch):
    """``/search/smart``: nearest first to the vector of a text, or of an asset."""

    query: str | None = None
    query_asset_id: UUID | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class SearchScope:
    """Whose assets are searched, by owner; None is everybody's, which an album filter narrows."""

    user_ids: tuple[UUID, ...] | None
    elevated: bool
    """Whether locked assets may be seen."""

"""The columns of Immich's tables that searching reads, with the types it reckons with.

As PostgreSQL spells them; ``|`` stands between types that do equally well, ``n`` for any length.
A column that is not here may come, go or change without harm.
"""

from __future__ import annotations

from collections.abc import Mapping

from immich_aio.domain.immich import Shape

Columns = Mapping[str, Mapping[str, str]]
_UUID, _TEXT, _FLAG, _TIME = "uuid", "character varying|text", "boolean", "timestamp with time zone"


def _all(kind: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), kind)


_COMMON: dict[str, dict[str, str]] = {
    "asset": {
        **_all(_UUID, "id ownerId libraryId livePhotoVideoId stackId duplicateId"),
        **_all(_TIME, "createdAt updatedAt deletedAt fileCreatedAt fileModifiedAt localDateTime"),
        **_all(_TEXT, "type originalPath originalFileName"),
        **_all(_FLAG, "isFavorite isOffline"),
        **_all("bytea", "checksum thumbhash"),
        "duration": "integer|character varying",
        "visibility": "asset_visibility_enum",
    },
    "asset_exif": {
        "assetId": _UUID,
        **_all(_TEXT, "make model lensModel city state country description"),
        "rating": "integer",
    },
    "asset_file": {"assetId": _UUID, "type": _TEXT, "path": _TEXT},
    "asset_ocr": {
        "assetId": _UUID,
        "text": "text",
        **_all("real", "x1 y1 x2 y2 x3 y3 x4 y4 boxScore textScore"),
    },
    "ocr_search": {"assetId": _UUID, "text": "text"},
    "asset_job_status": {"assetId": _UUID, "ocrAt": _TIME},
    "smart_search": {"assetId": _UUID, "embedding": "vector(n)"},
    "asset_face": {"assetId": _UUID, "personId": _UUID, "deletedAt": _TIME},
    "person": {"id": _UUID},
    "tag_closure": {"id_ancestor": _UUID, "id_descendant": _UUID},
    "partner": {**_all(_UUID, "sharedById sharedWithId"), "inTimeline": _FLAG},
    "user": {"id": _UUID, "email": _TEXT, "deletedAt": _TIME},
}
_DIFFERENT: Mapping[Shape, Columns] = {
    Shape.V3_1: {
        "asset": {**_all("integer", "width height"), "isEdited": _FLAG},
        "asset_file": {"isEdited": _FLAG},
        "asset_ocr": {"isVisible": _FLAG},
        "asset_face": {"isVisible": _FLAG},
        "tag_asset": _all(_UUID, "assetId tagId"),
        "album_asset": _all(_UUID, "assetId albumId"),
    },
    Shape.V2_2: {
        "asset": _all(_TEXT, "deviceAssetId deviceId encodedVideoPath"),
        "tag_asset": _all(_UUID, "assetsId tagsId"),
        "album_asset": _all(_UUID, "assetsId albumsId"),
    },
}


def required_columns(shape: Shape) -> Columns:
    """What must be there in tables of this shape, by table and column."""
    different = _DIFFERENT[shape]
    return {
        table: {**_COMMON.get(table, {}), **different.get(table, {})}
        for table in (*_COMMON, *(table for table in different if table not in _COMMON))
    }

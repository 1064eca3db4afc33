"""Assets in Immich's replies, from the rows of its tables.

Moments of an asset's own row are written as JavaScript writes them, in milliseconds with a Z. Rows
that come inside JSON (``exifInfo``, ``faces``, ``tags``, ``owner``) keep PostgreSQL's spelling, as
they do in Immich.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from immich_aio.domain.immich import Shape, Visibility
from immich_aio.wire.immich_api.accounts import user_reply
from immich_aio.wire.immich_api.media import mime_type
from immich_aio.wire.immich_api.moments import moment

Row = Mapping[str, Any]

_EXIF = (
    "make",
    "model",
    "exifImageWidth",
    "exifImageHeight",
    "fileSizeInByte",
    "orientation",
    "dateTimeOriginal",
    "modifyDate",
    "timeZone",
    "lensModel",
    "fNumber",
    "focalLength",
    "iso",
    "exposureTime",
    "latitude",
    "longitude",
    "city",
    "state",
    "country",
    "description",
    "projectionType",
    "rating",
)
_FACE = (
    "id",
    "imageHeight",
    "imageWidth",
    "boundingBoxX1",
    "boundingBoxX2",
    "boundingBoxY1",
    "boundingBoxY2",
    "sourceType",
)
NO_DURATION = "0:00:00.00000"
"""What 2.x answers for the duration of a picture."""


def asset_reply(row: Row, viewer: UUID, shape: Shape) -> dict[str, object]:
    """Write one asset for that viewer, its keys in Immich's order.

    ``exifInfo``, ``faces``, ``tags``, ``owner`` and ``stack`` are written where the row has them;
    ``people`` always.
    """
    return _file(row, viewer, shape) | _surroundings(row, shape)


def _file(row: Row, viewer: UUID, shape: Shape) -> dict[str, object]:
    old = shape is Shape.V2_2
    return {
        "id": str(row["id"]),
        "createdAt": moment(row["createdAt"]),
        **({"deviceAssetId": row["deviceAssetId"]} if old else {}),
        "ownerId": str(row["ownerId"]),
        **({"owner": user_reply(row["owner"])} if row.get("owner") else {}),
        **({"deviceId": row["deviceId"]} if old else {}),
        "libraryId": _text(row["libraryId"]),
        "type": row["type"],
        "originalPath": row["originalPath"],
        "originalFileName": row["originalFileName"],
        "originalMimeType": mime_type(row["originalFileName"]),
        "thumbhash": _base64(row["thumbhash"]),
        "fileCreatedAt": moment(row["fileCreatedAt"]),
        "fileModifiedAt": moment(row["fileModifiedAt"]),
        "localDateTime": moment(row["localDateTime"]),
        "updatedAt": moment(row["updatedAt"]),
        "isFavorite": row["ownerId"] == viewer and row["isFavorite"],
        "isArchived": row["visibility"] == Visibility.ARCHIVE.value,
        "isTrashed": row["deletedAt"] is not None,
        "visibility": row["visibility"],
        "duration": (row["duration"] or NO_DURATION) if old else row["duration"],
    }


def _surroundings(row: Row, shape: Shape) -> dict[str, object]:
    old = shape is Shape.V2_2
    faces = row.get("faces")
    sizes = {} if old else {key: row[key] for key in ("width", "height", "isEdited")}
    return {
        **({"exifInfo": _exif(row["exifInfo"])} if row.get("exifInfo") else {}),
        "livePhotoVideoId": _text(row["livePhotoVideoId"]),
        **({"tags": [_tag(tag) for tag in row["tags"]]} if "tags" in row else {}),
        "people": _people(faces or [], shape),
        **({"unassignedFaces": _unassigned(faces)} if old and faces is not None else {}),
        "checksum": _base64(row["checksum"]),
        **({"stack": row["stack"]} if "stack" in row else {}),
        "isOffline": row["isOffline"],
        "hasMetadata": True,
        "duplicateId": _text(row["duplicateId"]),
        "resized": True,
        **sizes,
    }


def sanitized_reply(row: Row, shape: Shape) -> dict[str, object]:
    """Write one asset for a shared link that hides metadata."""
    old = shape is Shape.V2_2
    return {
        "id": str(row["id"]),
        "type": row["type"],
        "originalMimeType": mime_type(row["originalFileName"]),
        "thumbhash": _base64(row["thumbhash"]),
        "localDateTime": moment(row["localDateTime"]),
        "duration": (row["duration"] or NO_DURATION) if old else row["duration"],
        "livePhotoVideoId": _text(row["livePhotoVideoId"]),
        "hasMetadata": False,
        **({} if old else {"width": row["width"], "height": row["height"]}),
    }


def ocr_line_reply(row: Row) -> dict[str, object]:
    """Write one line of ``/assets/{id}/ocr``: the row as it is."""
    return {name: str(value) if isinstance(value, UUID) else value for name, value in row.items()}


def _exif(row: Row) -> dict[str, object]:
    return {name: row[name] for name in _EXIF}


def _tag(row: Row) -> dict[str, object]:
    optional = {name: row[name] for name in ("parentId", "color") if row[name] is not None}
    return {
        "id": row["id"],
        "name": row["value"].rpartition("/")[2],
        "value": row["value"],
        "createdAt": row["createdAt"],
        "updatedAt": row["updatedAt"],
        **optional,
    }


def _people(faces: list[Row], shape: Shape) -> list[dict[str, object]]:
    """Everyone once; in 2.x with their faces."""
    people: dict[str, dict[str, object]] = {}
    shown: dict[str, list[object]] = {}
    for face in faces:
        if (person := face["person"]) is not None:
            people.setdefault(person["id"], _person(person))
            shown.setdefault(person["id"], []).append(_face(face))
    if shape is Shape.V2_2:
        return [person | {"faces": shown[key]} for key, person in people.items()]
    return list(people.values())


def _person(row: Row) -> dict[str, object]:
    names = ("id", "name", "birthDate", "thumbnailPath", "isHidden", "isFavorite")
    color = {} if row["color"] is None else {"color": row["color"]}
    return {name: row[name] for name in names} | color | {"updatedAt": row["updatedAt"]}


def _face(row: Row) -> dict[str, object]:
    return {name: row[name] for name in _FACE}


def _unassigned(faces: list[Row]) -> list[dict[str, object]]:
    return [_face(face) for face in faces if face["person"] is None]


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()

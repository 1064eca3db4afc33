"""``POST /assets``: a file comes in, is kept on disk as it arrives, and becomes an asset."""

from __future__ import annotations

import asyncio
import base64
import binascii
import shutil
from pathlib import Path
from uuid import UUID

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import Response

from immich_aio.domain.immich import Shape, Visibility
from immich_aio.services.sandbox.api import Call, Endpoint, json_response
from immich_aio.services.sandbox.caller import Rule
from immich_aio.services.sandbox.data import Data
from immich_aio.services.sandbox.library import Library, NewAsset
from immich_aio.wire.immich_api.errors import bad_request, unauthorized
from immich_aio.wire.immich_api.media import asset_type
from immich_aio.wire.immich_api.validation import BodyReader


class Uploads:
    """The endpoint over the library."""

    def __init__(self, data: Data, library: Library) -> None:
        self._data = data
        self._library = library

    @property
    def endpoints(self) -> list[Endpoint]:
        """What is answered here."""
        rule = Rule("asset.upload", shared_link=True)
        return [Endpoint("POST", "/assets", "uploadAsset", self.upload, rule, 201)]

    async def upload(self, call: Call) -> Response:
        """Take a file, unless the checksum that was announced is known already."""
        link = call.caller.link
        if link is not None and not link.allow_upload:
            raise unauthorized()
        announced = call.request.headers.get("x-immich-checksum")
        if announced and (known := await self._known(call.caller.user_id, announced)):
            return _reply(known, "duplicate")
        try:
            async with call.request.form(max_files=2, max_part_size=1 << 20) as form:
                return await self._keep(call, form)
        except HTTPException as error:  # the form is malformed
            raise bad_request(str(error.detail)) from None

    async def _keep(self, call: Call, form: FormData) -> Response:
        file = form.get("assetData")
        if not isinstance(file, UploadFile):
            raise bad_request("Field(s) assetData should not be empty")
        name = str(form.get("filename") or file.filename or "")
        kind = asset_type(name)
        if kind is None:
            raise bad_request(f"Unsupported file type {name}")
        fields = _fields(form, call.shape)
        path = self._library.upload_path(call.caller.user_id, Path(name).suffix)
        await asyncio.to_thread(_save, file, path)
        added = await self._library.add(
            NewAsset(call.caller.user_id, path, name, kind, **fields)  # type: ignore[arg-type]
        )
        if added.duplicate:
            path.unlink()
            return _reply(added.id, "duplicate")
        await self._library.queue([added.id])
        return _reply(added.id, "created")

    async def _known(self, user_id: UUID, checksum: str) -> UUID | None:
        row = await self._data.row(
            "asset_by_checksum", user_id=user_id, checksum=_checksum(checksum)
        )
        return None if row is None else UUID(str(row["id"]))


def _fields(form: FormData, shape: Shape) -> dict[str, object]:
    """What the form says beside the file; a form's values are texts."""
    texts: dict[str, object] = {key: value for key, value in form.items() if isinstance(value, str)}
    reader = BodyReader(_typed(texts), shape)
    old = shape is Shape.V2_2
    device_asset_id = reader.take_required_text("deviceAssetId") if old else ""
    device_id = reader.take_required_text("deviceId") if old else ""
    created = reader.take_required_date("fileCreatedAt")
    modified = reader.take_required_date("fileModifiedAt")
    duration = None if old else reader.take_int("duration", 0)
    favorite = reader.take_flag("isFavorite")
    visibility = reader.take_choice("visibility", Visibility)
    live_photo = reader.take_uuid("livePhotoVideoId")
    reader.finish()
    return {
        "created_at": created,
        "modified_at": modified,
        "favorite": favorite is True,
        "visibility": visibility if isinstance(visibility, Visibility) else Visibility.TIMELINE,
        "duration": duration if isinstance(duration, int) else None,
        "live_photo_video_id": live_photo if isinstance(live_photo, UUID) else None,
        "device_asset_id": device_asset_id,
        "device_id": device_id or "sandbox",
    }


def _typed(texts: dict[str, object]) -> dict[str, object]:
    words = {"true": True, "false": False}
    typed = dict(texts)
    if texts.get("isFavorite") in words:
        typed["isFavorite"] = words[str(texts["isFavorite"])]
    if str(texts.get("duration", "")).isdigit():
        typed["duration"] = int(str(texts["duration"]))
    return typed


def _save(file: UploadFile, path: Path) -> None:
    with path.open("wb") as into:
        shutil.copyfileobj(file.file, into)


def _checksum(text: str) -> bytes:
    try:
        return base64.b64decode(text) if len(text) == 28 else bytes.fromhex(text)
    except (ValueError, binascii.Error):
        return b""


def _reply(asset_id: UUID, status: str) -> Response:
    code = 201 if status == "created" else 200
    return json_response({"id": str(asset_id), "status": status}, code)

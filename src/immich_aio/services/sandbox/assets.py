"""Single assets: what is known of them, their files, their text, their jobs."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlencode
from uuid import UUID

from psycopg.rows import DictRow
from starlette.responses import FileResponse, RedirectResponse, Response

from immich_aio.domain.immich import Shape
from immich_aio.services.sandbox.access import Access
from immich_aio.services.sandbox.api import Call, Endpoint
from immich_aio.services.sandbox.caller import Rule
from immich_aio.services.sandbox.data import Data
from immich_aio.services.sandbox.queues import ASSET_JOBS
from immich_aio.store.asset_search import AssetQueries
from immich_aio.upstream.bullmq import JobQueues
from immich_aio.wire.immich_api.assets import asset_reply, ocr_line_reply, sanitized_reply
from immich_aio.wire.immich_api.errors import bad_request, not_found
from immich_aio.wire.immich_api.media import mime_type
from immich_aio.wire.immich_api.validation import BodyReader

CACHE = (
    "private, max-age=86400, no-transform, stale-while-revalidate=2592000, stale-if-error=2592000"
)
SIZES = ("original", "fullsize", "preview", "thumbnail")


class Assets:
    """The endpoints of ``/assets`` but the upload."""

    def __init__(self, data: Data, access: Access, queues: JobQueues) -> None:
        self._data = data
        self._access = access
        self._queues = queues
        self._queries = AssetQueries(data.shape)

    @property
    def endpoints(self) -> list[Endpoint]:
        """What is answered here."""

        def by_link(permission: str) -> Rule:
            return Rule(permission, shared_link=True)

        one = "/assets/{id}"
        jobs = Rule() if self._data.shape is Shape.V2_2 else Rule("job.create")
        return [
            Endpoint("POST", "/assets/jobs", "runAssetJobs", self.run_jobs, jobs, 204),
            Endpoint("GET", one, "getAssetInfo", self.info, by_link("asset.read")),
            Endpoint("GET", one + "/ocr", "getAssetOcr", self.ocr, Rule("asset.read")),
            Endpoint("GET", one + "/thumbnail", "viewAsset", self.thumbnail, by_link("asset.view")),
            Endpoint(
                "GET", one + "/original", "downloadAsset", self.original, by_link("asset.download")
            ),
        ]

    async def info(self, call: Call) -> object:
        """All that is known of an asset; people only to its owner."""
        await self._access.require_assets(call.caller, "asset.read", [call.id])
        row = await self._row(call.id)
        link = call.caller.link
        if link is not None and not link.show_exif:
            return sanitized_reply(row, call.shape)
        reply = asset_reply(row, call.caller.user_id, call.shape)
        if link is not None:
            del reply["owner"]
        if link is not None or row["ownerId"] != call.caller.user_id:
            reply["people"] = []
        return reply

    async def reply(self, asset_id: UUID, viewer: UUID) -> dict[str, object]:
        """An asset as its owner sees it in lists."""
        row = {k: v for k, v in (await self._row(asset_id)).items() if k not in ("owner", "stack")}
        return asset_reply(row, viewer, self._data.shape)

    async def ocr(self, call: Call) -> object:
        """The lines of text in an asset."""
        await self._access.require_assets(call.caller, "asset.read", [call.id])
        return [ocr_line_reply(row) for row in await self._data.rows("ocr_lines", id=call.id)]

    async def thumbnail(self, call: Call) -> Response:
        """The thumbnail, the preview, or the way to the original."""
        size = _size(call)
        await self._access.require_assets(call.caller, "asset.view", [call.id])
        if size == "original":
            return _redirect(call, "original", None)
        paths = await self._paths(call.id, size)
        if size == "fullsize":
            # No full-size files are made here, so Immich's ways round them are taken.
            web = mime_type(paths["originalPath"]) in ("image/jpeg", "image/png", "image/webp")
            return _redirect(call, "original", None) if web else _redirect(call, "", "preview")
        if paths["path"] is None:
            raise not_found("Asset media not found")
        name = f"{Path(paths['originalFileName']).stem}_{size}{Path(paths['path']).suffix}"
        return _file(paths["path"], name)

    async def original(self, call: Call) -> Response:
        """The file as it was uploaded."""
        await self._access.require_assets(call.caller, "asset.download", [call.id])
        paths = await self._paths(call.id, "preview")
        return _file(paths["originalPath"], paths["originalFileName"])

    async def run_jobs(self, call: Call) -> None:
        """Queue one of Immich's four jobs for single assets."""
        reader = await call.reader()
        ids = reader.take_required_uuids("assetIds")
        name = reader.require_choice("name", list(ASSET_JOBS))
        reader.finish()
        await self._access.require_assets(call.caller, "asset.update", ids)
        job = ASSET_JOBS[name]
        await self._queues.add(job.queue, job.name, [str(one) for one in ids])

    async def _row(self, asset_id: UUID) -> DictRow:
        """An asset's row with all that belongs to it."""
        async with self._data.database.connection() as connection:
            row = await self._queries.by_id(connection, asset_id)
        details = await self._data.row("asset_details", id=asset_id)
        if row is None or details is None:
            raise bad_request("Asset not found")
        return row | details

    async def _paths(self, asset_id: UUID, size: str) -> DictRow:
        paths = await self._data.row("asset_paths", id=asset_id, type=size)
        if paths is None:
            raise not_found("Asset media not found")
        return paths


def _size(call: Call) -> str:
    query = dict(call.request.query_params)
    if "size" not in query:
        return "thumbnail"
    reader = BodyReader(query, call.shape)
    size = reader.require_choice("size", list(SIZES))
    reader.finish()
    return size


def _redirect(call: Call, path: str, size: str | None) -> Response:
    query = dict(call.request.query_params)
    query.pop("size", None)
    if size is not None:
        query["size"] = size
    return RedirectResponse(f"{path}?{urlencode(query)}", 302)


def _file(path: str, name: str) -> Response:
    if not Path(path).is_file():
        raise not_found("Not Found")
    headers = {
        "Cache-Control": CACHE,
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(name)}",
    }
    return FileResponse(path, headers=headers, media_type=mime_type(path))

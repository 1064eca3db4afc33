"""A server that speaks the MT-Photos AI protocol: ours, the original, or one for an NPU."""

from __future__ import annotations

import dataclasses
import io

import aiohttp

from immich_aio.domain.results import OcrResult
from immich_aio.domain.tasks import OcrOptions
from immich_aio.errors import OverloadedError, UpstreamError
from immich_aio.upstream.http import HttpClient
from immich_aio.wire import mt_photos
from immich_aio.wire.image_file import read_size


class MtPhotosClient:
    """OCR by another server. It takes no thresholds, so they are applied to what it answers."""

    def __init__(self, url: str, api_key: str, timeout: float) -> None:
        self._http = HttpClient("MT_PHOTOS_API", url, timeout, {"api-key": api_key})

    async def read(self, image_file: bytes, options: OcrOptions) -> OcrResult:
        """The text of one image file.

        Raises BadImageError, UpstreamError, OverloadedError or TimeoutExceededError.
        """
        width, height = read_size(image_file)
        form = aiohttp.FormData()
        form.add_field("file", io.BytesIO(image_file), filename="image")
        async with self._http.request("POST", "/ocr", data=form) as response:
            body = await response.read()
            self._check(response)
        result = mt_photos.parse_ocr(body, width, height)
        lines = tuple(line for line in result.lines if line.text_score >= options.min_text_score)
        return dataclasses.replace(result, lines=lines)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status == 401:
            raise UpstreamError(
                f"MT_PHOTOS_API at {self._http.url} refuses the key; set MT_PHOTOS_API_KEY."
            )
        if response.status == 429:
            after = response.headers.get("Retry-After", "1")
            raise OverloadedError(
                f"MT_PHOTOS_API at {self._http.url} is busy; try again in {after} s.",
                retry_after=int(after) if after.isdigit() else 1,
            )
        if response.status != 200:
            raise UpstreamError(
                f"MT_PHOTOS_API at {self._http.url} answered {response.status} to /ocr."
            )

"""A server that speaks the MT-Photos AI protocol: ours, the original, or one for an NPU."""

from __future__ import annotations

import dataclasses
import io

import aiohttp
import numpy as np

from immich_aio.domain.clip_models import CN_CLIP_DIMENSIONS, ClipModel
from immich_aio.domain.face_packs import FACE_DIMENSION
from immich_aio.domain.results import Embedding, Face, FacesResult, OcrResult
from immich_aio.domain.tasks import OcrOptions
from immich_aio.errors import OverloadedError, UpstreamError
from immich_aio.upstream.http import HttpClient
from immich_aio.wire import mt_photos
from immich_aio.wire.image_file import read_size


class MtPhotosClient:
    """OCR, CLIP and faces by another server, whose models are said to be ``clip_model`` and
    ``face_pack``.

    It takes no thresholds, so they are applied to what it answers; a face or line that it has left
    out by its own is not there.
    """

    def __init__(
        self, url: str, api_key: str, timeout: float, clip_model: str = "", face_pack: str = ""
    ) -> None:
        self._http = HttpClient("MT_PHOTOS_API", url, timeout, {"api-key": api_key})
        self._clip_model = clip_model
        self._face_pack = face_pack

    async def read(self, image_file: bytes, options: OcrOptions) -> OcrResult:
        """The text of one image file.

        Raises BadImageError, UpstreamError, OverloadedError or TimeoutExceededError.
        """
        width, height = read_size(image_file)
        body = await self._send("/ocr", data=_form(image_file))
        result = mt_photos.parse_ocr(body, width, height)
        lines = tuple(line for line in result.lines if line.text_score >= options.min_text_score)
        return dataclasses.replace(result, lines=lines)

    async def encode_image(self, image_file: bytes) -> Embedding:
        """The vector of one image file, of length 1. Raises as ``read``."""
        width, height = read_size(image_file)
        body = await self._send("/clip/img", data=_form(image_file))
        return dataclasses.replace(
            _normalised(mt_photos.parse_clip(body)), width=width, height=height
        )

    async def encode_text(self, text: str) -> Embedding:
        """The vector of a text, of length 1. Raises as ``read``, but for BadImageError."""
        body = await self._send("/clip/txt", json={"text": text})
        return _normalised(mt_photos.parse_clip(body))

    def model(self) -> ClipModel:
        """Which model the other server is said to have; the protocol does not tell."""
        dimension = CN_CLIP_DIMENSIONS.get(self._clip_model)
        return ClipModel(self._clip_model, dimension, f"at {self._http.url}")

    async def find_faces(self, image_file: bytes, min_score: float) -> FacesResult:
        """The faces of one image file, vectors of length 1.

        Raises as ``read``, and UpstreamError where the server says that it has another pack.
        """
        width, height = read_size(image_file)
        body = await self._send("/represent", data=_form(image_file))
        found = mt_photos.parse_represent(body, width, height, self._face_pack)
        faces = (_checked(face) for face in found.faces if face.score >= min_score)
        return dataclasses.replace(found, faces=tuple(faces))

    @property
    def pack(self) -> str:
        """Which pack the other server is said to have."""
        return self._face_pack

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _send(self, path: str, *, data: object = None, json: object = None) -> bytes:
        async with self._http.request("POST", path, data=data, json=json) as response:
            body = await response.read()
            self._check(response, path)
        return body

    def _check(self, response: aiohttp.ClientResponse, path: str) -> None:
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
                f"MT_PHOTOS_API at {self._http.url} answered {response.status} to {path}."
            )


def _form(image_file: bytes) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(image_file), filename="image")
    return form


def _checked(face: Face) -> Face:
    """A face whose vector Immich can take."""
    numbers = face.embedding.vector.size
    if numbers != FACE_DIMENSION:
        raise UpstreamError(
            f"The MT-Photos server's vectors of faces have {numbers} numbers and not "
            f"{FACE_DIMENSION}: it has none of InsightFace's packs."
        )
    return Face(face.box, face.score, _normalised(face.embedding))


def _normalised(embedding: Embedding) -> Embedding:
    """A vector scaled to length 1, which not every server does."""
    vector = embedding.vector.astype(np.float64)
    length = float(np.linalg.norm(vector))
    if not length > 0:
        raise UpstreamError("The MT-Photos server answered a vector of zeros.")
    return Embedding((vector / length).astype(np.float32))

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
from immich_aio.errors import AioError, BadImageError, BadInputError, TooLargeError, UpstreamError
from immich_aio.upstream.http import HttpClient, HttpReply, parsed
from immich_aio.wire import mt_photos

CALLERS_FAULT: dict[str, type[AioError]] = {
    "bad_image": BadImageError,
    "bad_input": BadInputError,
    "too_large": TooLargeError,
}
"""What our own AI service says of a failure, where the protocol itself has one word for all."""


class MtPhotosClient:
    """OCR, CLIP and faces by another server, whose models are said to be ``clip_model`` and
    ``face_pack``.

    It takes no thresholds, so they are applied to what it answers; a face or line that it has left
    out by its own is not there. ``name`` is how messages call the server.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        timeout: float,
        clip_model: str = "",
        face_pack: str = "",
        *,
        name: str = "MT_PHOTOS_API",
    ) -> None:
        self._http = HttpClient(name, url, timeout, {"api-key": api_key})
        self._clip_model = clip_model
        self._face_pack = face_pack

    async def read(self, image_file: bytes, options: OcrOptions) -> OcrResult:
        """The text of one image file.

        Raises BadImageError or TooLargeError for what cannot be read, UpstreamError,
        OverloadedError or TimeoutExceededError.
        """
        width, height = _size(image_file)
        body = await self._send("/ocr", data=_form(image_file))
        result = await parsed(mt_photos.parse_ocr, body, width, height)
        lines = tuple(line for line in result.lines if line.text_score >= options.min_text_score)
        return dataclasses.replace(result, lines=lines)

    async def encode_image(self, image_file: bytes) -> Embedding:
        """The vector of one image file, of length 1. Raises as ``read``."""
        width, height = _size(image_file)
        body = await self._send("/clip/img", data=_form(image_file))
        vector = await parsed(_clip_vector, body)
        return dataclasses.replace(vector, width=width, height=height)

    async def encode_text(self, text: str) -> Embedding:
        """The vector of a text, of length 1. Raises as ``read``, but for BadImageError."""
        return await parsed(_clip_vector, await self._send("/clip/txt", json={"text": text}))

    def model(self) -> ClipModel:
        """Which model the other server is said to have; the protocol does not tell."""
        dimension = CN_CLIP_DIMENSIONS.get(self._clip_model)
        return ClipModel(self._clip_model, dimension, f"at {self._http.url}", self._clip_model)

    async def find_faces(self, image_file: bytes, min_score: float) -> FacesResult:
        """The faces of one image file, vectors of length 1.

        Raises as ``read``, and UpstreamError where the server says that it has another pack.
        """
        width, height = _size(image_file)
        body = await self._send("/represent", data=_form(image_file))
        found = await parsed(_faces, body, width, height, self._face_pack)
        faces = tuple(face for face in found.faces if face.score >= min_score)
        return dataclasses.replace(found, faces=faces)

    @property
    def pack(self) -> str:
        """Which pack the other server is said to have."""
        return self._face_pack

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def ping(self) -> None:
        """Raises UpstreamError or TimeoutExceededError unless it answers and takes the key."""
        mt_photos.parse_check(await self._send("/check"))

    async def _send(self, path: str, *, data: object = None, json: object = None) -> bytes:
        reply = await self._http.exchange("POST", path, data=data, json=json)
        if reply.status == 401:
            raise UpstreamError(f"{self._http} refuses the key; set MT_PHOTOS_API_KEY, or its key.")
        if reply.status != 200:
            raise self._http.failure(reply, path)
        self._raise_callers_fault(reply)
        return reply.body

    def _raise_callers_fault(self, reply: HttpReply) -> None:
        kind = CALLERS_FAULT.get(reply.headers.get(mt_photos.FAILURE_HEADER, ""))
        if kind is not None:
            raise kind(mt_photos.failure_message(reply.body))


def _size(image_file: bytes) -> tuple[int, int]:
    # Imported here, for decoders take megabytes, and a companion alone has no use for them.
    from immich_aio.wire.image_file import read_size  # noqa: PLC0415

    return read_size(image_file)


def _form(image_file: bytes) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(image_file), filename="image")
    return form


def _clip_vector(body: bytes) -> Embedding:
    return _normalised(mt_photos.parse_clip(body))


def _faces(body: bytes, width: int, height: int, pack: str) -> FacesResult:
    found = mt_photos.parse_represent(body, width, height, pack)
    return dataclasses.replace(found, faces=tuple(map(_checked, found.faces)))


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

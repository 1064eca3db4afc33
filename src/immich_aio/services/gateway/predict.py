"""``POST /predict``: take a request apart, have each task done in its place, join the answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import aiohttp
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from immich_aio.domain.clip_models import mismatch
from immich_aio.domain.face_packs import wrong_pack
from immich_aio.domain.results import Timings
from immich_aio.domain.tasks import ClipImageTask, FacesTask, OcrTask, Task
from immich_aio.engines.protocol import ClipBackend, FacesBackend, OcrBackend
from immich_aio.errors import AioError, BadInputError, UnavailableError, UnprocessableError
from immich_aio.services.gateway.routing import ClipTask, Route, route
from immich_aio.services.http.hang_up import unless_hung_up
from immich_aio.services.http.metrics import Metrics, server_timing
from immich_aio.services.http.uploads import Part, Upload
from immich_aio.upstream.immich_ml import ImmichMlClient
from immich_aio.wire import immich_ml

REQUEST_HEADERS = ("content-type", "content-length")
REPLY_HEADERS = ("content-type", "content-length", "content-encoding", "retry-after")


@dataclass(frozen=True, slots=True)
class Backends:
    """Who does the work; None where nothing is configured.

    ``clip`` answers to the model names ``clip_names``, where ``*`` stands for all.
    """

    ocr: OcrBackend | None
    immich: ImmichMlClient | None
    clip: ClipBackend | None = None
    clip_names: tuple[str, ...] = ()
    faces: FacesBackend | None = None


Answer = tuple[dict[str, object], Timings | None]
"""A task's part of the reply, and where its time went if it was done here."""


class Predictor:
    """Answers ``/predict`` from the backends."""

    def __init__(self, backends: Backends, max_upload_bytes: int, metrics: Metrics) -> None:
        self._backends = backends
        self._clip_names = backends.clip_names if backends.clip else ()
        self._max_upload_bytes = max_upload_bytes
        self._metrics = metrics

    async def answer(self, request: Request) -> Response:
        """The reply to one request; every failure is an AioError, never an empty success."""
        upload = Upload(request, self._max_upload_bytes, keep_body=True)
        await upload.read_until(lambda: _is_complete(upload.parts, "entries"))
        if "entries" not in upload.parts:
            raise UnprocessableError("The field 'entries' is missing.")
        tasks = immich_ml.parse_entries(bytes(upload.parts["entries"].data))
        ours = self._backends.faces is not None
        way = route(tasks, self._clip_names, faces_are_ours=ours)
        if not way.is_ours:
            return await self._relay(request, upload)
        upload.chunks.clear()
        given = _Given(await upload.read_all())
        return await unless_hung_up(request, self._split(way, given))

    async def _split(self, way: Route, given: _Given) -> Response:
        """Each task in its place, all at once; one failure fails the request."""
        work = [
            *([self._read(way.ocr, given.image("OCR"))] if way.ocr else []),
            *([self._encode(way.clip, given)] if way.clip else []),
            *(
                [self._find_faces(way.faces, given.image("Facial recognition"))]
                if way.faces
                else []
            ),
            *([self._at_immich(way.immich, given)] if way.immich else []),
        ]
        try:
            async with asyncio.TaskGroup() as group:
                answers = [group.create_task(one) for one in work]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        replies, timings = zip(*(task.result() for task in answers), strict=True)
        measured = ", ".join(server_timing(one) for one in timings if one is not None)
        return JSONResponse(immich_ml.merge_replies(replies), headers={"Server-Timing": measured})

    async def _read(self, task: OcrTask, image: bytes) -> Answer:
        if self._backends.ocr is None:
            raise UnavailableError(
                "No OCR backend: start with the role 'ai' as well, or set MT_PHOTOS_API."
            )
        result = await self._backends.ocr.read(image, task.options)
        self._metrics.count_ocr(result.timings, len(result.lines))
        shape = immich_ml.legacy_ocr_reply if task.legacy else immich_ml.ocr_reply
        return shape(result), result.timings

    async def _encode(self, task: ClipTask, given: _Given) -> Answer:
        """A vector, which is never one of another length than Immich expects."""
        clip = self._backends.clip
        assert clip is not None  # noqa: S101  # else the route leads to Immich
        model = clip.model()
        _refuse_mismatch(task, model.name, model.dimension)
        if isinstance(task, ClipImageTask):
            embedding = await clip.encode_image(given.image("CLIP"))
            self._metrics.count_clip("image", embedding.timings)
        else:
            embedding = await clip.encode_text(given.text())
            self._metrics.count_clip("text", embedding.timings)
        _refuse_mismatch(task, model.name, embedding.vector.size)
        return immich_ml.clip_reply(embedding), embedding.timings

    async def _find_faces(self, task: FacesTask, image: bytes) -> Answer:
        """Faces, whose vectors are never another model's than Immich asks for."""
        faces = self._backends.faces
        assert faces is not None  # noqa: S101  # else the route leads to Immich
        if (why := wrong_pack(task.model, faces.pack)) is not None:
            raise UnprocessableError(why)
        result = await faces.find_faces(image, task.min_score)
        self._metrics.count_faces(result.timings, len(result.faces))
        return immich_ml.faces_reply(result), result.timings

    async def _at_immich(self, tasks: tuple[Task, ...], given: _Given) -> Answer:
        reply = await self._immich().predict(tasks, given.optional_image, given.optional_text)
        return reply, None

    async def _relay(self, request: Request, upload: Upload) -> Response:
        """Stream the request to Immich's server as it came, and its reply back."""
        server = self._immich()
        body = _Body(upload)
        stack = contextlib.AsyncExitStack()
        opening = stack.enter_async_context(
            server.relay(body.chunks(), _only(REQUEST_HEADERS, request.headers))
        )
        try:
            response = await unless_hung_up(request, opening, body_read=body.sent)
        except BaseException:
            await stack.aclose()
            if body.failure is not None:
                raise body.failure from None
            raise
        return StreamingResponse(
            _streamed(response, stack), response.status, _only(REPLY_HEADERS, response.headers)
        )

    def _immich(self) -> ImmichMlClient:
        if self._backends.immich is None:
            raise UnavailableError(
                "That is not answered here: set IMMICH_API to Immich's own machine-learning "
                "server, such as http://immich-machine-learning:3003, for faces and its own CLIP "
                "models; CLIP_MODEL makes this gateway answer with Chinese-CLIP, and "
                "FACES_FROM=here with faces."
            )
        return self._backends.immich


class _Given:
    """What came with a request beside its tasks. A missing one that is needed is a bad request."""

    def __init__(self, parts: dict[str, Part]) -> None:
        # Copied once, for two backends may read it; the form itself is then let go.
        image, text = parts.pop("image", None), parts.pop("text", None)
        self.optional_image = None if image is None else bytes(image.data)
        self.optional_text = None if text is None else text.data.decode("utf-8", "replace")

    def image(self, task: str) -> bytes:
        if self.optional_image is None:
            raise BadInputError(f"{task} needs the image as the multipart field 'image'.")
        return self.optional_image

    def text(self) -> str:
        if self.optional_text is None:
            raise BadInputError("CLIP needs the text as the multipart field 'text'.")
        return self.optional_text


class _Body:
    """The rest of an upload on its way to another server."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self.sent = asyncio.Event()
        self.failure: AioError | None = None
        """Why no more came: the HTTP client that sends the chunks reports only that it could not.
        """

    async def chunks(self) -> AsyncIterator[bytes]:
        """What was read so far, then what still arrives."""
        try:
            async for chunk in self._upload.rest():
                yield chunk
        except AioError as error:
            self.failure = error
            raise
        self.sent.set()


def _refuse_mismatch(task: ClipTask, model: str, dimension: int | None) -> None:
    """Immich takes a vector of any length, and is then broken in ways that nobody understands."""
    if dimension is not None and (why := mismatch(task.model, model, dimension)) is not None:
        raise UnprocessableError(why)


def _only(names: tuple[str, ...], headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() in names}


def _is_complete(parts: dict[str, Part], name: str) -> bool:
    return name in parts and parts[name].complete


async def _streamed(
    response: aiohttp.ClientResponse, stack: contextlib.AsyncExitStack
) -> AsyncIterator[bytes]:
    async with stack:
        async for chunk in response.content.iter_any():
            yield chunk

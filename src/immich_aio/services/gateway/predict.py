"""``POST /predict``: take a request apart, have each task done in its place, join the answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import aiohttp
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from immich_aio.domain.tasks import OcrTask, Task
from immich_aio.engines.protocol import OcrBackend
from immich_aio.errors import AioError, BadInputError, UnavailableError, UnprocessableError
from immich_aio.services.gateway.routing import Route, route
from immich_aio.services.http.hang_up import unless_hung_up
from immich_aio.services.http.metrics import Metrics, server_timing
from immich_aio.services.http.uploads import Part, Upload
from immich_aio.upstream.immich_ml import ImmichMlClient
from immich_aio.wire import immich_ml

REQUEST_HEADERS = ("content-type", "content-length")
REPLY_HEADERS = ("content-type", "content-length", "content-encoding", "retry-after")


@dataclass(frozen=True, slots=True)
class Backends:
    """Who does the work; None where nothing is configured."""

    ocr: OcrBackend | None
    immich: ImmichMlClient | None


class Predictor:
    """Answers ``/predict`` from the backends."""

    def __init__(self, backends: Backends, max_upload_bytes: int, metrics: Metrics) -> None:
        self._backends = backends
        self._max_upload_bytes = max_upload_bytes
        self._metrics = metrics

    async def answer(self, request: Request) -> Response:
        """The reply to one request; every failure is an AioError, never an empty success."""
        upload = Upload(request, self._max_upload_bytes, keep_body=True)
        await upload.read_until(lambda: _is_complete(upload.parts, "entries"))
        if "entries" not in upload.parts:
            raise UnprocessableError("The field 'entries' is missing.")
        way = route(immich_ml.parse_entries(bytes(upload.parts["entries"].data)))
        if way.ocr is None:
            return await self._relay(request, upload)
        upload.chunks.clear()
        parts = await upload.read_all()
        if "image" not in parts:
            raise BadInputError("OCR needs the image as the multipart field 'image'.")
        return await unless_hung_up(request, self._split(way, way.ocr, parts))

    async def _split(self, way: Route, ocr: OcrTask, parts: dict[str, Part]) -> Response:
        """OCR here, the rest at Immich's server, both at once; one failure fails the request."""
        image = bytes(parts.pop("image").data)
        text = parts["text"].data.decode("utf-8", "replace") if "text" in parts else None
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read(ocr, image))
                rest = group.create_task(self._at_immich(way.immich, image, text))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        reply, timing = reading.result()
        return JSONResponse(immich_ml.merge_replies([reply, *rest.result()]), headers=timing)

    async def _read(self, task: OcrTask, image: bytes) -> tuple[dict[str, object], dict[str, str]]:
        if self._backends.ocr is None:
            raise UnavailableError(
                "No OCR backend: start with the role 'ai' as well, or set MT_PHOTOS_API."
            )
        result = await self._backends.ocr.read(image, task.options)
        self._metrics.count_ocr(result.timings, len(result.lines))
        shape = immich_ml.legacy_ocr_reply if task.legacy else immich_ml.ocr_reply
        return shape(result), {"Server-Timing": server_timing(result.timings)}

    async def _at_immich(
        self, tasks: tuple[Task, ...], image: bytes, text: str | None
    ) -> list[dict[str, object]]:
        return [await self._immich().predict(tasks, image, text)] if tasks else []

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
                "CLIP and faces are not answered here: set IMMICH_API to Immich's own "
                "machine-learning server, such as http://immich-machine-learning:3003."
            )
        return self._backends.immich


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

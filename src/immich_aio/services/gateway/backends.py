"""Who does the work: engines of this process and other servers, behind one small contract."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from immich_aio.domain.clip_models import mismatch
from immich_aio.domain.face_packs import wrong_pack
from immich_aio.domain.results import Embedding, FacesResult, OcrResult, Timings
from immich_aio.domain.tasks import ClipImageTask, ClipTextTask, FacesTask, OcrTask, Task
from immich_aio.engines.protocol import ClipBackend, FacesBackend, OcrBackend
from immich_aio.errors import AioError, UnavailableError, UnprocessableError, UpstreamError
from immich_aio.services.gateway.body import Body
from immich_aio.services.gateway.given import Given
from immich_aio.services.gateway.routing import Unit
from immich_aio.upstream.http import HttpReply
from immich_aio.upstream.immich_ml import ImmichMlClient
from immich_aio.wire import immich_answers

ClipTask = ClipImageTask | ClipTextTask


@dataclass(frozen=True, slots=True)
class Answer:
    """What a unit's backend answered: as JSON, or, where all of it was passed on, as it came."""

    reply: Mapping[str, object]
    result: OcrResult | Embedding | FacesResult | None = None
    relayed: HttpReply | None = None

    @property
    def is_success(self) -> bool:
        """Whether it is an answer, and not what is wrong with the request."""
        return self.relayed is None or self.relayed.status == 200

    @property
    def timings(self) -> Timings | None:
        """Where the engine's time went, if it says so."""
        return None if self.result is None else self.result.timings


class Backend(Protocol):
    """Does units, and can be asked whether it is there."""

    async def perform(self, unit: Unit, given: Given) -> Answer:
        """The answer to all tasks of a unit. A cancelled call ends the work.

        Raises BadInputError or TooLargeError for what is the caller's fault; OverloadedError when
        it has too much to do; UnreachableError when it did not even begin; UnavailableError where
        trying again is of no use; and any other error when it failed.
        """
        ...

    async def ping(self) -> None:
        """Raises an error that says what is wrong: UnreachableError when it does not answer."""
        ...

    def clip_identity(self) -> str:
        """What tells the weights behind its vectors from others; empty while that is unknown."""
        ...


class EngineServer(OcrBackend, ClipBackend, FacesBackend, Protocol):
    """A server that does what an engine does."""

    async def ping(self) -> None:
        """See ``Backend.ping``."""
        ...


class EngineBackend:
    """Engines of this process, or one server in their place; one task a unit."""

    def __init__(
        self,
        ocr: OcrBackend | None = None,
        clip: ClipBackend | None = None,
        faces: FacesBackend | None = None,
        *,
        server: EngineServer | None = None,
    ) -> None:
        self._ocr = ocr or server
        self._clip = clip or server
        self._faces = faces or server
        self._server = server

    async def perform(self, unit: Unit, given: Given) -> Answer:
        """See ``Backend.perform``."""
        (task,) = unit.tasks
        match task:
            case OcrTask():
                return await self._read(task, given)
            case ClipImageTask() | ClipTextTask():
                return await self._encode(task, given)
            case FacesTask():
                return await self._find_faces(task, given)
            case _:
                raise UnavailableError(f"{unit.title}: not done by this backend.")

    async def ping(self) -> None:
        """See ``Backend.ping``; an engine of this process is always there."""
        if self._server is not None:
            await self._server.ping()

    def clip_identity(self) -> str:
        """See ``Backend.clip_identity``."""
        return "" if self._clip is None else self._clip.model().identity

    async def _read(self, task: OcrTask, given: Given) -> Answer:
        if self._ocr is None:
            raise UnavailableError("No OCR engine runs in this process.")
        result = await self._ocr.read(await given.image("OCR"), task.options)
        shape = immich_answers.legacy_ocr_reply if task.legacy else immich_answers.ocr_reply
        return Answer(shape(result), result)

    async def _encode(self, task: ClipTask, given: Given) -> Answer:
        """A vector, which is never one of another length than Immich expects."""
        if self._clip is None:
            raise UnavailableError("No CLIP engine runs in this process.")
        _refuse_model(task, self._clip)
        if isinstance(task, ClipImageTask):
            embedding = await self._clip.encode_image(await given.image("CLIP"))
        else:
            embedding = await self._clip.encode_text(await given.text())
        if (
            why := mismatch(task.model, self._clip.model().name, embedding.vector.size)
        ) is not None:
            _refuse_model(task, self._clip)  # it may know only now what it makes
            raise UpstreamError(why)
        return Answer(immich_answers.clip_reply(embedding), embedding)

    async def _find_faces(self, task: FacesTask, given: Given) -> Answer:
        """Faces, whose vectors are never those of another pack than Immich asks for."""
        if self._faces is None:
            raise UnavailableError("No face engine runs in this process.")
        if (why := wrong_pack(task.model, self._faces.pack)) is not None:
            raise UnprocessableError(why)
        result = await self._faces.find_faces(
            await given.image("Facial recognition"), task.min_score
        )
        return Answer(immich_answers.faces_reply(result), result)


class ImmichBackend:
    """A server of Immich's own protocol: does everything, and several tasks at once."""

    def __init__(self, client: ImmichMlClient) -> None:
        self._client = client

    async def perform(self, unit: Unit, given: Given) -> Answer:
        """See ``Backend.perform``."""
        if unit.whole and given.body is not None:
            return Answer({}, relayed=await self._relayed(given.body, unit.tasks))
        fields = await given.fields()
        reply = await self._client.predict(unit.tasks, fields.image, fields.text)
        for task in unit.tasks:
            reply |= _in_the_callers_shape(reply, task)
        return Answer(reply)

    async def _relayed(self, body: Body, tasks: Sequence[Task]) -> HttpReply:
        headers, sent = {"Content-Type": body.kind}, body.as_it_came()
        if body.size is not None and not isinstance(sent, Sequence):
            headers["Content-Length"] = str(body.size)
        try:
            return await self._client.relay(sent, headers, tasks)
        except AioError:
            if body.failure is not None:
                raise body.failure from None
            raise

    async def ping(self) -> None:
        """See ``Backend.ping``."""
        await self._client.ping()

    def clip_identity(self) -> str:
        """Immich's names of models say which weights they have."""
        return "Immich's own models"


def _in_the_callers_shape(reply: dict[str, object], task: Task) -> dict[str, object]:
    """What the old fork expects, if it asked: other servers are always asked in Immich's form."""
    if not isinstance(task, OcrTask) or not task.legacy:
        return {}
    result = immich_answers.parse_reply(json.dumps(reply).encode(), replace(task, legacy=False))
    assert isinstance(result, OcrResult)  # noqa: S101  # that is what an OcrTask gives
    return immich_answers.legacy_ocr_reply(result)


def _refuse_model(task: ClipTask, clip: ClipBackend) -> None:
    """Immich takes a vector of any length, and is then broken in ways that nobody understands."""
    model = clip.model()
    if model.dimension is not None:
        why = mismatch(task.model, model.name, model.dimension)
        if why is not None:
            raise UnprocessableError(why)

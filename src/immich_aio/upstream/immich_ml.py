"""Another server that speaks Immich's machine-learning protocol, such as Immich's own."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterable, Sequence

import aiohttp

from immich_aio.domain.results import Embedding
from immich_aio.domain.tasks import ClipTextTask, Task
from immich_aio.errors import BadInputError, TooLargeError, UnprocessableError, UpstreamError
from immich_aio.upstream.http import HttpClient, HttpReply, parsed
from immich_aio.wire.immich_answers import parse_reply
from immich_aio.wire.immich_ml import entries_for
from immich_aio.wire.immich_reply import check_reply
from immich_aio.wire.json_reader import shown

CALLERS_FAULT = {400: BadInputError, 413: TooLargeError, 422: UnprocessableError}


class ImmichMlClient:
    """Whatever is not done here is this server's; ``name`` is how messages call it."""

    def __init__(self, url: str, timeout: float, *, name: str = "IMMICH_API") -> None:
        self._http = HttpClient(name, url, timeout, {})

    async def relay(
        self,
        body: Sequence[bytes] | AsyncIterable[bytes],
        headers: dict[str, str],
        tasks: Sequence[Task],
    ) -> HttpReply:
        """Send a ``/predict`` body on as it came; the reply is one that Immich can use.

        Also one that says what is wrong with the request: status 400, 413 or 422. Raises
        UpstreamError for any other, OverloadedError or TimeoutExceededError.
        """
        if isinstance(body, Sequence):
            reply = await self._http.post("/predict", body, headers)
        else:
            reply = await self._http.exchange("POST", "/predict", data=body, headers=headers)
        if reply.status not in CALLERS_FAULT:
            await self._checked(reply, tasks)
        return reply

    async def predict(
        self,
        tasks: Sequence[Task],
        image: bytes | None,
        text: str | None,
        *,
        as_it_is: bool = False,
    ) -> dict[str, object]:
        """The reply to some tasks of a request, as JSON.

        With ``as_it_is`` nobody looks whether Immich can use it. Raises as ``relay``, and
        BadInputError or TooLargeError where it says what is wrong with the request.
        """
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field("entries", entries_for(tasks))
        if image is not None:
            form.add_field("image", io.BytesIO(image), filename="blob")
        if text is not None:
            form.add_field("text", text)
        reply = await self._http.exchange("POST", "/predict", data=form)
        if reply.status in CALLERS_FAULT:
            raise CALLERS_FAULT[reply.status](f"{self._http} refuses it: {_told(reply.body)}")
        return await self._checked(reply, () if as_it_is else tasks)

    async def encode_text(self, task: ClipTextTask, text: str) -> Embedding:
        """The vector of a text. Raises as ``predict``."""
        reply = await self.predict([task], None, text)
        embedding = parse_reply(json.dumps(reply).encode(), task)
        assert isinstance(embedding, Embedding)  # noqa: S101  # it is what that task is answered
        return embedding

    async def ping(self) -> None:
        """Raises UnreachableError or TimeoutExceededError where it does not answer."""
        reply = await self._http.exchange("GET", "/ping")
        if reply.status != 200:
            raise self._http.failure(reply, "/ping")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _checked(self, reply: HttpReply, tasks: Sequence[Task]) -> dict[str, object]:
        if reply.status != 200:
            raise self._http.failure(reply, "/predict")
        try:
            return await parsed(check_reply, reply.body, tasks)
        except UpstreamError as error:
            raise UpstreamError(f"{self._http} is of no use: {error.message}") from None


def _told(body: bytes) -> str:
    """Its own words, where they are those of FastAPI, which it is built on."""
    try:
        detail = json.loads(body[:10_000])["detail"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return "it does not say why"
    return shown(detail, 500)

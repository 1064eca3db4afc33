"""Another server that speaks Immich's machine-learning protocol, such as Immich's own."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import AsyncIterable, AsyncIterator, Sequence

import aiohttp

from immich_aio.domain.tasks import Task
from immich_aio.errors import UpstreamError
from immich_aio.upstream.http import HttpClient
from immich_aio.wire.immich_ml import entries_for


class ImmichMlClient:
    """Everything that is not read here goes to this server as it came."""

    def __init__(self, url: str, timeout: float, *, name: str = "IMMICH_API") -> None:
        self._http = HttpClient(name, url, timeout, {})

    @contextlib.asynccontextmanager
    async def relay(
        self, body: AsyncIterable[bytes], headers: dict[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a ``/predict`` body on as it arrives; yields the open response, whatever its status.

        Raises UpstreamError or TimeoutExceededError.
        """
        async with self._http.request("POST", "/predict", data=body, headers=headers) as response:
            yield response

    async def predict(
        self, tasks: Sequence[Task], image: bytes | None, text: str | None
    ) -> dict[str, object]:
        """The reply to some tasks of a request, as JSON. Raises UpstreamError for any other."""
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field("entries", entries_for(tasks))
        if image is not None:
            form.add_field("image", io.BytesIO(image), filename="blob")
        if text is not None:
            form.add_field("text", text)
        async with self._http.request("POST", "/predict", data=form) as response:
            body = await response.read()
        server = f"{self._http.name} at {self._http.url}"
        if response.status != 200:
            raise UpstreamError(f"{server} answered {response.status}.")
        try:
            reply = json.loads(body)
        except ValueError:
            reply = None
        if not isinstance(reply, dict):
            raise UpstreamError(f"{server} answered no JSON object.")
        return reply

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

"""``POST /api/assets/jobs`` with ``refresh-ocr`` or ``refresh-smart-search``.

Immich has such jobs for whole libraries, but for single photos only four others. Who may ask is
settled as for those: Immich itself is asked to run one of them for no photo at all, and what it
refuses is refused in its words; whose the photos are is looked up by the rule it has for
``asset.update``. Then its own worker gets the jobs through its own queues.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from immich_aio.domain.immich import Shape
from immich_aio.domain.refresh import JOBS, Refresh
from immich_aio.errors import AioError, UnavailableError
from immich_aio.services.companion.asked import Asked
from immich_aio.services.companion.caller import Callers
from immich_aio.services.companion.page_door import PageDoor
from immich_aio.services.companion.refreshes import Begun, NothingToDoError, Refreshes
from immich_aio.upstream.immich_api import Credentials, ImmichApi
from immich_aio.wire.immich_api.errors import ImmichHttpError, bad_request, error_body, forbidden
from immich_aio.wire.immich_api.validation import BodyReader
from immich_aio.wire.problem import status_of

PATH = "/api/assets/jobs"
HEADER = "X-Aio-Refresh"
"""In the reply: the id by which the refresh can be followed, at ``/aio/api/refreshes/{id}``."""
SKIPPED = "X-Aio-Skipped"
"""In a refusal: why nothing can be done, in words for the web script to translate."""
_NAMES = {refresh.value: refresh for refresh in Refresh}
_NO_PHOTO = {"assetIds": [], "name": "refresh-faces"}
_IN_TIME = 0.8
"""The part of the companion's time-out after which we say ourselves that it took too long."""


class RefreshJobs:
    """The interceptor for our two jobs; all others are Immich's."""

    def __init__(
        self,
        api: ImmichApi,
        callers: Callers,
        refreshes: Refreshes | UnavailableError,
        timeout: float,
    ) -> None:
        self._api = api
        self._callers = callers
        self._refreshes = refreshes
        self._timeout = timeout * _IN_TIME

    def concerns(self, method: str, path: str) -> bool:
        """Whether it may be one of ours."""
        return method == "POST" and path == PATH

    async def answer(self, asked: Asked) -> Response | None:
        """204 once the jobs are queued, or why they are not; None for jobs of Immich's."""
        body = _json(asked.body)
        refresh = _NAMES.get(str(body.get("name")))
        if refresh is None:
            return None
        try:
            async with asyncio.timeout(self._timeout):
                return await self._answer(refresh, body, asked)
        except NothingToDoError as error:
            response = await self._refusal(error)
            response.headers[SKIPPED] = " ".join(why.value for why in error.reasons)
            return response
        except ImmichHttpError as error:
            return await self._refusal(error)
        except AioError as error:
            return await self._refusal(ImmichHttpError(status_of(error), error.message))
        except TimeoutError:
            words = (
                "It took too long, and perhaps not everything was queued. Try again in a moment."
            )
            return await self._refusal(ImmichHttpError(504, words))

    async def _answer(self, refresh: Refresh, body: dict[str, object], asked: Asked) -> Response:
        credentials = Credentials.of(asked.headers.items(), urlsplit(asked.target).query)
        allowed = await self._api.post(PATH, _NO_PHOTO, credentials)
        if allowed.status >= 300:
            kind = allowed.headers.get("Content-Type")
            return Response(allowed.body, allowed.status, media_type=kind)
        reader = BodyReader(body, Shape.V3_1)
        ids = reader.take_required_uuids("assetIds")
        reader.finish()
        caller = await self._callers.asked_anew(credentials)
        if caller is None:
            raise forbidden("Missing required permission: user.read")
        if isinstance(self._refreshes, UnavailableError):
            raise self._refreshes
        await self._require_switched_on(refresh)
        return _queued(await self._refreshes.begin(refresh, ids, caller))

    async def _require_switched_on(self, refresh: Refresh) -> None:
        job = JOBS[refresh]
        features = await self._api.record("/api/server/features")
        if features.get(job.feature) is False:
            raise bad_request(
                f"{job.title} is switched off in Immich. Switch it on in Administration → Settings "
                "→ Machine Learning Settings."
            )

    async def _refusal(self, error: ImmichHttpError) -> Response:
        """In the words of the Immich that is there; of the newest, where it cannot be asked."""
        try:
            old = (await self._api.version()).startswith("2.")
        except AioError:
            old = False
        shape = Shape.V2_2 if old else Shape.V3_1
        return JSONResponse(error_body(error, shape, secrets.token_hex(4)), error.status)


class RefreshProgress:
    """``GET /aio/api/refreshes/{id}``, for whoever began it."""

    def __init__(self, door: PageDoor, refreshes: Refreshes) -> None:
        self._door = door
        self._refreshes = refreshes

    async def answer(self, request: Request) -> Response:
        """How far it is."""
        caller = await self._door.user(request)
        begun = self._refreshes.of(request.path_params["id"], caller.user_id)
        if begun is None:
            raise HTTPException(404, "No such refresh is known; the companion was restarted since.")
        report = await self._refreshes.report(begun)
        return JSONResponse(report, headers={"Cache-Control": "no-store"})


def _queued(begun: Begun) -> Response:
    return Response(status_code=204, headers={HEADER: begun.id})


def _json(raw: bytes) -> dict[str, object]:
    """The object in a body; an empty one where there is none, which is then for Immich to say."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}

"""The companion's pages, from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from immich_aio.cli.companion_neighbours import Closing, Neighbours
from immich_aio.cli.companion_search import SearchFeature
from immich_aio.errors import UnavailableError
from immich_aio.services.companion.companion import Features
from immich_aio.services.companion.front import OURS
from immich_aio.services.companion.page_door import PageDoor
from immich_aio.services.companion.recent_errors import RecentErrors
from immich_aio.services.companion.search_page import SearchPage
from immich_aio.services.companion.status_page import Parts, StatusPage
from immich_aio.settings import Settings
from immich_aio.upstream.http import HttpClient
from immich_aio.upstream.immich_api import ImmichApi

if TYPE_CHECKING:  # of an extra, which need not be installed
    from immich_aio.upstream.immich_jobs import ImmichJobs

GATEWAY_PATIENCE = 2.0
"""Seconds in which the gateway must tell how it stands."""


def page_features(
    settings: Settings,
    api: ImmichApi,
    search: SearchFeature,
    queues: ImmichJobs | UnavailableError,
    neighbours: Neighbours,
) -> Features:
    """The pages and what they ask for."""
    door, errors = PageDoor(search.callers), RecentErrors()
    gateway = _gateway(settings, neighbours)
    model = settings.search_ml_model
    parts = Parts(api, search.keeper, search.vectors, queues, errors, model, gateway)
    status, searching = StatusPage(door, parts), SearchPage(door, search.searcher)
    routes = [
        Route(OURS, _home),
        Route(f"{OURS}/", status.page),
        Route(f"{OURS}/search", searching.page),
        Route(f"{OURS}/api/status", status.status),
        Route(f"{OURS}/api/search", searching.results),
    ]
    closing = [] if gateway is None else [Closing(gateway)]
    return Features(routes=routes, parts=[errors, *closing])


def _gateway(settings: Settings, neighbours: Neighbours) -> HttpClient | None:
    """What may be our gateway: whoever makes vectors of queries."""
    url = settings.search_ml_url or neighbours.gateway
    if url is None:
        return None
    return HttpClient("The gateway", url.rstrip("/"), GATEWAY_PATIENCE, {})


async def _home(_request: Request) -> Response:
    return RedirectResponse(f"{OURS}/", 307)

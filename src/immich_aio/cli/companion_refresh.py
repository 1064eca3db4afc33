"""The part of the companion that has single photos read and encoded again, from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from immich_aio.errors import UnavailableError
from immich_aio.services.companion.caller import Callers
from immich_aio.services.companion.companion import Features
from immich_aio.services.companion.front import OURS
from immich_aio.services.companion.page_door import PageDoor
from immich_aio.services.companion.refresh import RefreshJobs, RefreshProgress
from immich_aio.services.companion.refreshes import CatchUp, Refreshes
from immich_aio.settings import Settings
from immich_aio.store.refresh import Subjects
from immich_aio.upstream.immich_api import ImmichApi

if TYPE_CHECKING:  # of an extra, which need not be installed
    from immich_aio.upstream.immich_jobs import ImmichJobs


def refresh_features(
    settings: Settings,
    api: ImmichApi,
    callers: Callers,
    queues: ImmichJobs | UnavailableError,
    catch_up: CatchUp,
) -> Features:
    """Refreshing, which says what is missing where it cannot work.

    ``queues`` are closed elsewhere; ``catch_up`` has the text index follow at once.
    """
    refreshes = _refreshes(settings.database_url, queues, catch_up)
    jobs = RefreshJobs(api, callers, refreshes, settings.companion_timeout)
    if isinstance(refreshes, UnavailableError):
        return Features([jobs])
    progress = RefreshProgress(PageDoor(callers), refreshes)
    return Features([jobs], [Route(f"{OURS}/api/refreshes/{{id}}", progress.answer)])


def queues_of(settings: Settings) -> ImmichJobs | UnavailableError:
    """Immich's job queues, or why there is no way to them."""
    url = settings.queue_url
    if url is None:
        return UnavailableError(
            "The companion does not know Immich's job queues. Set REDIS_HOSTNAME for it as Immich "
            "has it."
        )
    try:
        from immich_aio.upstream.immich_jobs import ImmichJobs  # noqa: PLC0415  # of an extra
    except ImportError as error:
        return UnavailableError(
            f"Immich's job queues cannot be used ({error}): pip install 'immich-aio[companion]'."
        )
    return ImmichJobs(url)


def _refreshes(
    database: str | None, queues: ImmichJobs | UnavailableError, catch_up: CatchUp
) -> Refreshes | UnavailableError:
    if database is None:
        return UnavailableError(
            "The companion does not know Immich's database. Set DB_HOSTNAME for it as Immich has "
            "it."
        )
    if isinstance(queues, UnavailableError):
        return queues
    return Refreshes(Subjects(database), queues, catch_up)

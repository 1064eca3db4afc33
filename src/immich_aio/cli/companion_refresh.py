"""The part of the companion that has single photos read and encoded again, from the settings."""

from __future__ import annotations

from starlette.routing import Route

from immich_aio.errors import UnavailableError
from immich_aio.services.companion.caller import Callers
from immich_aio.services.companion.companion import Features
from immich_aio.services.companion.front import OURS
from immich_aio.services.companion.refresh import RefreshJobs, RefreshProgress
from immich_aio.services.companion.refreshes import Refreshes
from immich_aio.settings import Settings
from immich_aio.store.refresh import Subjects
from immich_aio.upstream.immich_api import ImmichApi


def refresh_features(settings: Settings, api: ImmichApi, callers: Callers) -> Features:
    """Refreshing; where it cannot work it says what is missing."""
    refreshes = _refreshes(settings)
    jobs = RefreshJobs(api, callers, refreshes, settings.companion_timeout)
    if isinstance(refreshes, UnavailableError):
        return Features([jobs])
    progress = RefreshProgress(callers, refreshes)
    route = Route(f"{OURS}/api/refreshes/{{id}}", progress.answer)
    return Features([jobs], [route], [refreshes])


def _refreshes(settings: Settings) -> Refreshes | UnavailableError:
    database, queues = settings.database_url, settings.queue_url
    if database is None or queues is None:
        name = "REDIS_HOSTNAME" if database else "DB_HOSTNAME"
        return UnavailableError(
            f"The companion cannot refresh photos: it does not know Immich's "
            f"{'job queue' if database else 'database'}. Set {name} for it as Immich has it."
        )
    try:
        from immich_aio.upstream.immich_jobs import ImmichJobs  # noqa: PLC0415  # an extra
    except ImportError as error:
        return UnavailableError(
            f"Photos cannot be refreshed here ({error}): pip install 'immich-aio[companion]'."
        )
    return Refreshes(Subjects(database), ImmichJobs(queues))

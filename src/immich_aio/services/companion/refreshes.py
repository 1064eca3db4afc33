"""Refreshes: begun by queueing Immich's own jobs, and followed to their end."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from immich_aio.domain.refresh import JOBS, Hindrance, Marks, Refresh, hindrance, progress
from immich_aio.services.companion.caller import Caller
from immich_aio.store.refresh import Subjects
from immich_aio.wire.immich_api.errors import ImmichHttpError, bad_request

if TYPE_CHECKING:  # a companion that refreshes nothing needs no Redis
    from immich_aio.upstream.immich_jobs import ImmichJobs

REMEMBERED = 100_000
"""Photos whose refreshes are remembered, in all; the oldest refreshes are forgotten first."""
AT_MOST = 5000
"""Photos of one request: more could not be queued before the companion must have answered."""
INDEX_PATIENCE = 3.0
"""Seconds that the end of a refresh waits for the text index to have the new texts."""
CatchUp = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Begun:
    """One refresh: of what, by whom, and what stood there before."""

    refresh: Refresh
    user_id: UUID
    ids: tuple[UUID, ...]
    """Those whose jobs were queued."""
    before: Marks
    skipped: Mapping[UUID, Hindrance]
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))


class NothingToDoError(ImmichHttpError):
    """Immich's worker would do nothing for any of the photos."""

    def __init__(self, reasons: tuple[Hindrance, ...]) -> None:
        super().__init__(400, " ".join(why.words for why in reasons))
        self.reasons = reasons


class Refreshes:
    """The refreshes of this process. A restart forgets them; their jobs go on without it."""

    def __init__(self, subjects: Subjects, jobs: ImmichJobs, catch_up: CatchUp) -> None:
        self._subjects = subjects
        self._jobs = jobs
        self._catch_up = catch_up
        self._begun: OrderedDict[str, Begun] = OrderedDict()
        self._photos = 0

    async def begin(self, refresh: Refresh, ids: Sequence[UUID], caller: Caller) -> Begun:
        """Queue what can be done.

        Raises ImmichHttpError (400) where a photo is not the caller's, nothing can be done, or
        there are too many, and UnavailableError where the database or the queue is away.
        """
        wanted = dict.fromkeys(ids)
        if len(wanted) > AT_MOST:
            raise bad_request(f"At most {AT_MOST} photos are refreshed in one go; ask in parts.")
        found = await self._subjects.owned(wanted, caller.user_id, elevated=caller.elevated)
        before = await self._subjects.marks(refresh, wanted)
        if len(found) != len(wanted):
            raise bad_request("Not found or no asset.update access")
        hindrances = {subject.id: hindrance(refresh, subject) for subject in found}
        possible = tuple(one for one in wanted if hindrances[one] is None)
        skipped = {one: why for one, why in hindrances.items() if why is not None}
        if skipped and not possible:
            raise NothingToDoError(tuple(dict.fromkeys(skipped.values())))
        job = JOBS[refresh]
        await self._jobs.add(job.queue, job.name, [str(one) for one in possible])
        begun = Begun(refresh, caller.user_id, possible, before, skipped)
        self._remember(begun)
        return begun

    def of(self, refresh_id: str, user_id: UUID) -> Begun | None:
        """That refresh, for whoever began it."""
        begun = self._begun.get(refresh_id)
        return begun if begun is not None and begun.user_id == user_id else None

    async def report(self, begun: Begun) -> dict[str, object]:
        """How far it is, ready for JSON. Raises UnavailableError where that cannot be told."""
        job = JOBS[begun.refresh]
        texts = [str(one) for one in begun.ids]
        queued = {UUID(one) for one in await self._jobs.unfinished(job.queue, job.name, texts)}
        now = await self._subjects.marks(begun.refresh, begun.ids)
        far = progress(begun.before, now, begun.ids, queued)
        if far.waiting == 0 and begun.refresh is Refresh.OCR:
            await self._catch_up(INDEX_PATIENCE)
        hindrances = list(begun.skipped.values())
        return {
            "name": begun.refresh.value,
            "total": len(begun.ids) + len(hindrances),
            "done": far.done,
            "waiting": far.waiting,
            "failed": far.failed,
            "skipped": {why.value: hindrances.count(why) for why in dict.fromkeys(hindrances)},
            "paused": far.waiting > 0 and await self._jobs.is_paused(job.queue),
        }

    def _remember(self, begun: Begun) -> None:
        self._begun[begun.id] = begun
        self._photos += len(begun.ids)
        while self._photos > REMEMBERED and len(self._begun) > 1:
            _, oldest = self._begun.popitem(last=False)
            self._photos -= len(oldest.ids)

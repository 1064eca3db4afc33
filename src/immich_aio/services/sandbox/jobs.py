"""``/jobs``: what waits, and the commands of the administration page."""

from __future__ import annotations

import dataclasses

from immich_aio.services.sandbox.api import Call, Endpoint
from immich_aio.services.sandbox.caller import Rule
from immich_aio.services.sandbox.queues import ALL_OF, queue_names
from immich_aio.upstream.bullmq import JobQueues
from immich_aio.wire.immich_api.errors import bad_request
from immich_aio.wire.immich_api.validation import BodyReader

COMMANDS = ["start", "pause", "resume", "empty", "clear-failed"]


class Jobs:
    """The endpoints over the queues."""

    def __init__(self, queues: JobQueues) -> None:
        self._queues = queues

    @property
    def endpoints(self) -> list[Endpoint]:
        """What is answered here."""
        return [
            Endpoint("GET", "/jobs", "getQueuesLegacy", self.all, Rule("job.read", admin=True)),
            Endpoint(
                "PUT",
                "/jobs/{name}",
                "runQueueCommandLegacy",
                self.command,
                Rule("job.create", admin=True),
            ),
        ]

    async def all(self, call: Call) -> object:
        """The state of every queue."""
        return {name: await self._state(name) for name in queue_names(call.shape)}

    async def command(self, call: Call) -> object:
        """Carry out a command; the queue's state after it."""
        path = BodyReader(call.request.path_params, call.shape)
        name = path.require_choice("name", list(queue_names(call.shape)))
        path.finish()
        reader = await call.reader()
        command = reader.require_choice("command", COMMANDS)
        force = reader.take_flag("force")
        reader.finish()
        match command:
            case "start":
                await self._start(name, force if isinstance(force, bool) else None)
            case "pause":
                await self._queues.pause(name)
            case "resume":
                await self._queues.resume(name)
            case "empty":
                await self._queues.empty(name)
            case _:
                await self._queues.clear_failed(name)
        return await self._state(name)

    async def _start(self, name: str, force: bool | None) -> None:  # as Immich's data has it
        if (await self._queues.counts(name)).active:
            raise bad_request("Job is already running")
        if name not in ALL_OF:  # Immich says so of queues that cannot be started; here are more
            raise bad_request(f"Invalid job name: {name}")
        await self._queues.add_all(name, ALL_OF[name], force=force)

    async def _state(self, name: str) -> dict[str, object]:
        counts = await self._queues.counts(name)
        paused = await self._queues.is_paused(name)
        return {
            "queueStatus": {"isPaused": paused, "isActive": counts.active > 0},
            "jobCounts": dataclasses.asdict(counts),
        }

"""Vectors of texts that were asked for before: people repeat queries, and page through results."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from immich_aio.domain.tasks import ClipTextTask
from immich_aio.services.gateway.backends import Answer
from immich_aio.services.gateway.dispatch import Dispatcher
from immich_aio.services.gateway.given import Given
from immich_aio.services.gateway.waiting_room import Trip

LONGEST_TEXT = 1000
"""Letters of a text that is worth keeping."""

CACHE = "cache"
"""Who answered, where it was no backend."""


@dataclass(frozen=True, slots=True)
class Key:
    """A text as it is asked for, and ``weights``: what tells the model from any other."""

    model: str
    language: str | None
    text: str
    weights: str


class VectorCache:
    """Keeps the ``size`` answers to texts that were used last; has all else done."""

    def __init__(
        self, dispatcher: Dispatcher, size: int, looked_up: Callable[[bool], None]
    ) -> None:
        self._dispatcher = dispatcher
        self._size = size
        self._looked_up = looked_up
        self._kept: OrderedDict[Key, Answer] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    async def perform(self, trip: Trip, given: Given) -> Answer:
        """See ``Dispatcher.perform``."""
        (task, *others) = trip.unit.tasks
        if not self._size or others or not isinstance(task, ClipTextTask):
            return await self._dispatcher.perform(trip, given)
        weights, text = self._dispatcher.weights(trip), await given.text()
        key = Key(task.model, task.language, text, weights)
        kept = self._kept.get(key)
        self._looked_up(kept is not None)
        if kept is not None:
            trip.backend = CACHE
            self._kept.move_to_end(key)
            return kept
        answer = await self._dispatcher.perform(trip, given)
        if answer.is_success and weights and weights == self._dispatcher.weights(trip):
            self._keep(key, answer)
        return answer

    def _keep(self, key: Key, answer: Answer) -> None:
        if len(key.text) <= LONGEST_TEXT:
            self._kept[key] = answer
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)

"""Whose turn it is: a pure decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from immich_aio.services.gateway.health import Lane


def choose(
    groups: Sequence[Sequence[Lane]], failures: Mapping[Lane, int], now: float
) -> Lane | None:
    """The lane for a request that has failed so often on each; None where it has to wait.

    Those come first on which it has failed least, then those of the earlier group; of equals, the
    one with the least work for its weight, and then the one that was idle longest.
    """
    best, best_rank = None, None
    for place, group in enumerate(groups):
        for lane in group:
            if lane.allows(now):
                rank = (failures.get(lane, 0), place, lane.load, lane.last_used)
                if best_rank is None or rank < best_rank:
                    best, best_rank = lane, rank
    return best

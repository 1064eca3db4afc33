"""nDCG and recall of a ranking against graded labels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence


def judged(ranking: Iterable[str], unjudged: Iterable[str]) -> list[str]:
    """The ranking without the unjudged, which count neither for nor against it."""
    left_out = frozenset(unjudged)
    return [one for one in ranking if one not in left_out]


def ndcg(ranking: Sequence[str], grades: Mapping[str, int], depth: int = 10) -> float:
    """Discounted gain down to ``depth``, as a share of the best possible, from 0 to 1.

    A grade g gains 2^g - 1, divided by the binary logarithm of one more than its place. Whatever
    comes a second time gains nothing. Where nothing is relevant, only an empty ranking is right.
    """
    best = _discounted(sorted(grades.values(), reverse=True)[:depth])
    if best == 0:
        return float(not ranking)
    found = list(ranking[:depth])
    gains = [grades.get(one, 0) if one not in found[:at] else 0 for at, one in enumerate(found)]
    return _discounted(gains) / best


def recall(ranking: Sequence[str], grades: Mapping[str, int], depth: int = 50) -> float:
    """The share of what is relevant among the first ``depth``.

    Where more is relevant than fits, it is the share of ``depth``, so that 1 can always be reached.
    """
    relevant = {one for one, grade in grades.items() if grade > 0}
    if not relevant:
        return 1.0
    return len(relevant.intersection(ranking[:depth])) / min(depth, len(relevant))


def _discounted(grades: Sequence[int]) -> float:
    return sum((2.0**grade - 1) / math.log2(place + 1) for place, grade in enumerate(grades, 1))

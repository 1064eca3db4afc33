"""Search by OCR text: how well the product finds, against Immich's own match, in one run.

    ./aio bench retrieval [--json]      measure
    ./aio bench retrieval --draw        draw the labelled set anew into bench/data/

Both sides get the same queries over the same tables. Immich's match is fuzzy and unranked: strict
word similarity of at least 0.5 between bigrams, newest first. nDCG is taken over the first 10
results, recall over the first 50; a category's figure is the mean of its queries', and the total
the mean of all queries'.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from bench.retrieval_library import library
from bench.retrieval_metrics import judged, ndcg, recall
from bench.retrieval_ours import ours
from bench.retrieval_set import DATA, QueryRecord, RetrievalSet, draw, load, save
from immich_aio.errors import UnavailableError
from immich_aio.store.text.segmentation import Wish

SEGMENTERS: dict[str, Wish] = {"": "rjieba", "_zhparser": "zhparser"}
"""By the end of the keys of JSON."""
Search = Callable[[str], Awaitable[list[UUID]]]


@dataclass(frozen=True, slots=True)
class Score:
    """How one query was answered."""

    category: str
    ndcg10: float
    recall50: float


def main(arguments: Sequence[str]) -> None:
    """Measure and print; with ``--json`` the last line is one JSON object."""
    parser = argparse.ArgumentParser(prog="bench retrieval", description=__doc__)
    parser.add_argument("--draw", action="store_true", help="draw the labelled set anew, and stop")
    parser.add_argument("--json", action="store_true", help="end in one line of JSON")
    options = parser.parse_args(arguments)
    if options.draw:
        drawn = draw()
        save(drawn)
        print(f"Drew {len(drawn.photos)} photos and {len(drawn.queries)} queries into {DATA}.")
        return
    figures = asyncio.run(_measure(load()))
    if options.json:
        print(json.dumps(figures))


async def _measure(labelled: RetrievalSet) -> dict[str, float]:
    names = {photo.asset_id: photo.id for photo in labelled.photos}
    async with library(labelled.photos) as made:
        sides = {"native_": await _scores(labelled.queries, names, made.native)}
        for suffix, segmenter in SEGMENTERS.items():
            try:
                search = await ours(made.database, made.user_id, segmenter)
            except UnavailableError as error:
                print(f"Not measured: {error}")
            else:
                sides[suffix] = await _scores(labelled.queries, names, search)
    print(f"{len(labelled.photos)} photos, {len(labelled.queries)} queries")
    _print_table(sides)
    return {
        f"{side}{name}" if side == "native_" else f"{name}{side}": round(value, 4)
        for side, scores in sorted(sides.items())
        for name, value in _means(scores).items()
    }


async def _scores(
    queries: Sequence[QueryRecord], names: Mapping[UUID, str], search: Search
) -> list[Score]:
    scores = []
    for query in queries:
        found = judged([names[one] for one in await search(query.query)], query.unjudged)
        figures = ndcg(found, query.grades), recall(found, query.grades)
        scores.append(Score(query.category, *figures))
    return scores


def _means(scores: Sequence[Score]) -> dict[str, float]:
    return {
        "ndcg10": statistics.fmean(score.ndcg10 for score in scores),
        "recall50": statistics.fmean(score.recall50 for score in scores),
    }


def _print_table(sides: Mapping[str, Sequence[Score]]) -> None:
    names = {"": "ours", "_zhparser": "ours, zhparser", "native_": "Immich's own"}
    shown = [side for side in names if side in sides]
    print(" " * 36 + "".join(f"{names[side]:>22}" for side in shown))
    print(f"{'category':<28}{'queries':>8}" + f"{'nDCG@10':>11}{'recall@50':>11}" * len(shown))
    categories = dict.fromkeys(score.category for score in sides["native_"])
    for category in (*categories, None):
        rows = [
            [score for score in sides[side] if category in (None, score.category)] for side in shown
        ]
        values = "".join(f"{value:>11.3f}" for row in rows for value in _means(row).values())
        print(f"{category or 'all':<28}{len(rows[0]):>8}{values}")

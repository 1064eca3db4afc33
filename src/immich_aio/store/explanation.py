"""Explains results: how each word was found in a photo's text, and where, and what came of it.

Words are judged by the document that was ranked, and by the rules of ``word_match.py``, which the
ranking SQL has too; where they stand is read off Immich's lines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from uuid import UUID

from psycopg.rows import DictRow

from immich_aio.domain.explanation import Explanation, FoundLine, FoundWord
from immich_aio.domain.ranking import Hit, Match, Weights
from immich_aio.domain.text_query import Needle
from immich_aio.store.database import Database
from immich_aio.store.immich_guard import ImmichTables
from immich_aio.store.named_sql import NamedSql
from immich_aio.store.search_request import SearchPage, Sought
from immich_aio.store.word_match import phrase_rules, rules
from immich_aio.store.word_places import Lines, Span, holds


class Explainer:
    """Explains the results of searches with these weights over one database."""

    def __init__(self, database: Database, tables: ImmichTables, weights: Weights) -> None:
        self._database = database
        self._sql = NamedSql(resources.files(__package__) / "explanation.sql", tables.shape)
        self._weights = weights

    async def explain(self, page: SearchPage) -> list[Explanation]:
        """Explain each result of a page, in its order."""
        photos = await self._photos(page)
        return await asyncio.to_thread(
            lambda: [
                _explained(hit, page.sought, self._weights, photos.get(hit.asset_id, _Photo()))
                for hit in page.hits
            ]
        )

    async def _photos(self, page: SearchPage) -> dict[UUID, _Photo]:
        """The texts of those results that have any, where any were looked for."""
        if not page.sought.text.conditions:
            return {}
        ids = [hit.asset_id for hit in page.hits]
        found = {
            row["assetId"]: _Photo(row["folded"], row["words"], row["confidence"])
            for row in await self._database.rows(self._sql["documents"], ids=ids)
        }
        for row in await self._database.rows(self._sql["lines"], ids=list(found)):
            found[row["assetId"]].rows.append(row)
        return found


@dataclass(frozen=True, slots=True)
class _Photo:
    """The text of one photo as the index has it, and its lines as Immich has them."""

    folded: str = ""
    words: str = ""
    confidence: float | None = None
    rows: list[DictRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Found:
    """How one word is found in a photo, and in which lines, by their numbers."""

    match: Match = Match.NONE
    places: Mapping[int, list[Span]] = field(default_factory=dict)


def _explained(hit: Hit, sought: Sought, weights: Weights, photo: _Photo) -> Explanation:
    lines = Lines([row["text"] for row in photo.rows])
    found = [
        _found(needles, photo, lines, near=number in sought.misread)
        for number, needles in enumerate(sought.text.conditions)
    ]
    shown = sorted({line for one in found for line in one.places})
    return Explanation(
        asset_id=hit.asset_id,
        words=tuple(_word(number, one, sought, shown) for number, one in enumerate(found)),
        lines=tuple(_line(photo.rows[line], line, found) for line in shown),
        texts=sought.frequencies.documents,
        phrase=_is_together(sought.text.phrase, photo),
        confidence=photo.confidence,
        counts=hit.text_score > 0,
        cosine=hit.cosine,
        weights=weights,
    )


def _found(needles: Sequence[Needle], photo: _Photo, lines: Lines, *, near: bool) -> _Found:
    """By the best of the rules that hold, of any of the needles."""
    holding = [
        rule
        for needle in needles
        for rule in rules(needle, near=near)
        if holds(rule, photo.folded, photo.words)
    ]
    if not holding:
        return _Found()
    best = max(holding, key=lambda rule: rule.match)
    return _Found(best.match, lines.places(best))


def _word(number: int, found: _Found, sought: Sought, shown: Sequence[int]) -> FoundWord:
    return FoundWord(
        alternatives=tuple(needle.text for needle in sought.text.conditions[number]),
        match=found.match,
        containing=sought.frequencies.by_condition[number],
        rarity=sought.rarities[number],
        lines=tuple(shown.index(line) for line in sorted(found.places)),
    )


def _is_together(phrase: str | None, photo: _Photo) -> bool:
    return phrase is not None and any(
        holds(rule, photo.folded, photo.words) for rule in phrase_rules(phrase)
    )


def _line(row: DictRow, number: int, found: Sequence[_Found]) -> FoundLine:
    spans = sorted(span for one in found for span in one.places.get(number, ()))
    return FoundLine(
        text=row["text"],
        corners=tuple((row[f"x{corner}"], row[f"y{corner}"]) for corner in range(1, 5)),
        score=row["textScore"],
        marks=tuple(_united(spans)),
    )


def _united(spans: Iterable[Span]) -> Iterator[Span]:
    """Spans in order, those that touch or overlap made one."""
    begun: Span | None = None
    for start, end in spans:
        if begun is not None and start <= begun[1]:
            begun = begun[0], max(begun[1], end)
        else:
            if begun is not None:
                yield begun
            begun = start, end
    if begun is not None:
        yield begun

"""What a search must find, computed from the photos themselves, one by one, without an index.

Texts are folded and cut by the product's own functions and scores are put together by
``domain/ranking.py``; how words are found, who sees what, and the order are worked out here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from immich_aio.domain.asset_search import UNSET, AssetFilters, SearchScope
from immich_aio.domain.immich import Shape, Visibility
from immich_aio.domain.ranking import Hit, Match, Weights, coverage, rarity, text_score
from immich_aio.domain.search_plan import Texts, rare_enough
from immich_aio.domain.search_query import parse_query
from immich_aio.domain.text_query import Needle, TextQuery
from immich_aio.store.query_words import text_query
from immich_aio.store.text.folding import fold_apart
from immich_aio.store.text.grams import document_grams, is_cjk
from immich_aio.store.text.segmentation import JiebaSegmenter
from immich_aio.store.text_match import intact_grams, needle_grams
from immich_aio.store.word_match import misreadable, misreadings
from tests.integration.store.photos import Photo, Vector, World


@dataclass(frozen=True)
class Text:
    """What stands on a photo, folded."""

    folded: str
    words: frozenset[str]
    confidence: float

    @cached_property
    def grams(self) -> frozenset[int]:
        return frozenset(document_grams(self.folded))

    @cached_property
    def without_breaks(self) -> tuple[str, str]:
        return self.folded.replace("\n", ""), self.folded.replace("\n", " ")


@dataclass(frozen=True)
class Expected:
    """One photo of a result, and what it is put in order by."""

    photo: Photo
    hit: Hit


class BruteForce:
    """Searches a library in Python."""

    def __init__(
        self, shape: Shape, world: World, weights: Weights, plan: Texts = Texts.SOME
    ) -> None:
        """Which texts count beside the meaning depends on the plan."""
        self._plan = plan
        self._shape = shape
        self._world = world
        self._weights = weights
        self._texts: dict[int, Text] = {}

    async def read(self) -> None:
        """Fold and cut all texts."""
        for photo in self._world.photos:
            folded, joined = fold_apart([text for text, _ in photo.lines])
            words = {word for line in await JiebaSegmenter().words(folded) for word in line}
            if not folded:
                continue
            if joined:
                folded = [*folded, " ".join(joined)]
                words |= set(joined)
            self._texts[id(photo)] = Text(
                "\n".join(folded), frozenset(words), _confidence(photo.lines)
            )

    async def search(
        self, typed: str, filters: AssetFilters, scope: SearchScope, vector: Vector | None
    ) -> list[Expected]:
        """All that is found, in no order: the scores tell that."""
        asked = parse_query(typed)
        query = await text_query(asked, JiebaSegmenter())
        seen = [
            photo
            for photo in self._world.photos
            if self._is_seen(photo, filters, scope) and not self._is_excluded(photo, query)
        ]
        if asked.text_only or vector is None:
            return self._by_text(seen, query, every=asked.text_only)
        scored = [self._scored(photo, query, self._plan) for photo in seen]
        found = [_with_meaning(one, vector, self._weights) for one in scored]
        return [one for one in found if one is not None]

    def _by_text(self, seen: list[Photo], query: TextQuery, *, every: bool) -> list[Expected]:
        """Those with all words where they are asked for; if there are none, those with some."""
        if not query.conditions:
            with_text = [photo for photo in seen if not every or id(photo) in self._texts]
            return [Expected(photo, Hit(photo.id, 0.0)) for photo in with_text]
        for plan, least in (
            [(Texts.ALL, 0.0), (Texts.SOME, 1e-9)] if every else [(Texts.SOME, None)]
        ):
            scored = [self._scored(photo, query, plan, least) for photo in seen]
            if found := [one for one in scored if one.hit.text_score]:
                return found
        return []

    def _scored(
        self, photo: Photo, query: TextQuery, plan: Texts, least: float | None = None
    ) -> Expected:
        """Its text's score; none where not enough of the words are found."""
        least = self._weights.least if least is None else least
        text = self._texts.get(id(photo))
        nothing = Expected(photo, Hit(photo.id, 0.0))
        if text is None or not query.conditions:
            return nothing
        rarities = self._rarities(query)
        if not _is_looked_at(query, text, plan, rarities, least):
            return nothing
        matches = [max(_match(needle, text) for needle in one) for one in query.conditions]
        some = plan is Texts.SOME
        if coverage(matches, rarities) < least - 1e-12 if some else not all(matches):
            return nothing
        score = text_score(
            matches,
            rarities,
            phrase=query.phrase is not None and _has_phrase(query.phrase, text),
            confidence=text.confidence,
            weights=self._weights,
        )
        hit = Hit(photo.id, self._weights.text * score, None, score, partial=not all(matches))
        return Expected(photo, hit)

    def _rarities(self, query: TextQuery) -> list[float]:
        """By how many texts have a word's grams: whoever's they are."""
        texts = self._texts.values()

        def containing(needle: Needle) -> int:
            return sum(text.grams.issuperset(needle_grams(needle)) for text in texts)

        counts = [min(sum(map(containing, one)), len(texts)) for one in query.conditions]
        return [rarity(count, len(texts)) for count in counts]

    def _is_excluded(self, photo: Photo, query: TextQuery) -> bool:
        text = self._texts.get(id(photo))
        return text is not None and any(
            _may_have(one, text, near=False) and _match(one, text, near=False)
            for one in query.excluded
        )

    def _is_seen(self, photo: Photo, filters: AssetFilters, scope: SearchScope) -> bool:
        return (
            (scope.user_ids is None or photo.owner in scope.user_ids)
            and self._is_visible(photo, filters, scope)
            and self._is_there(photo, filters)
            and self._fits(photo, filters)
            and self._is_put(photo, filters)
        )

    def _is_visible(self, photo: Photo, filters: AssetFilters, scope: SearchScope) -> bool:
        if filters.visibility is not None:
            return photo.visibility is filters.visibility
        if self._shape is Shape.V2_2:
            return photo.visibility is Visibility.TIMELINE
        return scope.elevated or photo.visibility is not Visibility.LOCKED

    def _is_there(self, photo: Photo, filters: AssetFilters) -> bool:
        if filters.trashed_after is not UNSET:
            return photo.deleted is not None and photo.deleted >= filters.trashed_after
        return photo.deleted is None or filters.with_deleted or filters.is_offline is True

    def _fits(self, photo: Photo, filters: AssetFilters) -> bool:
        of_exif = {
            name: wanted
            for name in ("city", "make", "rating")
            if (wanted := getattr(filters, name)) is not UNSET
        }
        exif = photo.exif
        return (
            (filters.type in {None, photo.type})
            and filters.is_favorite in (UNSET, photo.is_favorite)
            and filters.is_offline in (UNSET, photo.is_offline)
            and (filters.taken_after is UNSET or photo.taken >= filters.taken_after)
            and (filters.taken_before is UNSET or photo.taken <= filters.taken_before)
            and (
                not of_exif
                or (exif is not None and all(exif[name] == of_exif[name] for name in of_exif))
            )
        )

    def _is_put(self, photo: Photo, filters: AssetFilters) -> bool:
        tags = {above for tag in photo.tags for above in self._world.ancestors(tag)}
        hides_stacked = filters.with_stacked is False and self._shape is Shape.V3_1
        return (
            photo.persons.issuperset(filters.person_ids)
            and photo.albums.issuperset(filters.album_ids)
            and (not photo.tags if filters.tag_ids is None else tags.issuperset(filters.tag_ids))
            and not (filters.is_not_in_album and not filters.album_ids and photo.albums)
            and not (hides_stacked and photo.is_stacked)
        )


def _with_meaning(one: Expected, vector: Vector, weights: Weights) -> Expected | None:
    """With its cosine; None where it has neither a vector nor a text that counts."""
    if one.photo.vector is None:
        return one if one.hit.text_score else None
    cosine = float(one.photo.vector.astype(np.float64) @ vector.astype(np.float64))
    score = cosine + weights.text * one.hit.text_score
    return replace(one, hit=one.hit._replace(score=score, cosine=cosine))


def _confidence(lines: Sequence[tuple[str, float]]) -> float:
    """As Immich and we store numbers: in four bytes."""
    scores = [float(np.float32(score)) for _, score in lines]
    lengths = [len(text) for text, _ in lines]
    weighted = sum(score * length for score, length in zip(scores, lengths, strict=True))
    return float(np.float32(weighted / max(sum(lengths), 1)))


def _is_looked_at(
    query: TextQuery, text: Text, plan: Texts, rarities: Sequence[float], least: float
) -> bool:
    """Whether the grams of a text tell that it may have the words, misread ones too.

    That they tell it of every text that has them is what the unit tests of grams are about.
    """
    tells = [any(_may_have(needle, text) for needle in one) for one in query.conditions]
    if plan is Texts.SOME:
        shares = [one / sum(rarities) for one in rarities]
        return any(tells[number] for number in rare_enough(shares, least))
    return plan is Texts.STREAM or all(tells)


def _may_have(needle: Needle, text: Text, *, near: bool = True) -> bool:
    wanted = [needle_grams(needle)]
    for word in misreadable(needle) if near else ():
        wanted += intact_grams(word)
    return any(text.grams.issuperset(grams) for grams in wanted)


def _match(needle: Needle, text: Text, *, near: bool = True) -> Match:
    """How well a needle is found."""
    return _found(needle, text) or (_nearly(needle, text) if near else Match.NONE)


def _found(needle: Needle, text: Text) -> Match:
    wanted, has_cjk = needle.text, any(map(is_cjk, needle.text))
    if wanted in text.words:
        return Match.WHOLE
    closed, spaced = text.without_breaks
    if not has_cjk and all(len(piece) < 3 for piece in wanted.split()):
        return Match.WHOLE if " " in wanted and f" {wanted} " in f" {spaced} " else Match.NONE
    if wanted in text.folded:
        ends_in_cjk = is_cjk(wanted[0]) and is_cjk(wanted[-1])
        is_whole = needle.exact and (" " in wanted or ends_in_cjk)
        return Match.WHOLE if is_whole else Match.INSIDE
    if has_cjk and len(wanted) > 1 and wanted in closed:
        return Match.BROKEN
    return Match.BROKEN if " " in wanted and wanted in spaced else Match.NONE


def _nearly(needle: Needle, text: Text) -> Match:
    patterns = [pattern for word in misreadable(needle) for pattern in misreadings(word)]
    found = any(_like(text.folded, pattern) for pattern in patterns)
    return Match.NEAR if found else Match.NONE


def _has_phrase(phrase: str, text: Text) -> bool:
    closed, spaced = text.without_breaks
    return phrase in text.folded or phrase in (spaced if " " in phrase else closed)


def _like(text: str, pattern: str) -> bool:
    """What LIKE does with one ``_`` at most, and ``%`` at the ends."""
    at_start, at_end = not pattern.startswith("%"), not pattern.endswith("%")
    first, gap, second = pattern.strip("%").partition("_")
    size = len(first) + len(gap) + len(second)
    starts = [0] if at_start else range(len(text) - size + 1)
    starts = [len(text) - size] if at_end else starts
    return any(
        start >= 0
        and text.startswith(first, start)
        and text.startswith(second, start + len(first) + len(gap))
        and start + size <= len(text)
        for start in starts
    )

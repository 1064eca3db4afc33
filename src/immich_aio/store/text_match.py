"""SQL that finds and scores the texts of a query, over ``immich_aio.document AS d``.

Candidates come from the index of grams; how well each word is found is read off the text itself, by
the rules of ``word_match.py``.
The score is that of ``domain/ranking.py``. Nothing that was typed is ever part of the SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from immich_aio.domain.ranking import SURE, UNSURE, Match, Weights
from immich_aio.domain.text_query import Needle, TextQuery
from immich_aio.store.text.grams import is_cjk, query_grams
from immich_aio.store.text.word_bits import bits_of
from immich_aio.store.word_match import (
    MIN_MISREAD_CJK,
    Rule,
    Where,
    misreadable,
    phrase_rules,
    rules,
)

_FORMS: dict[Where, LiteralString] = {
    Where.WORDS: "d.words",
    Where.LINES: "d.folded",
    Where.UNBROKEN: "replace(d.folded, E'\\n', '')",
    Where.SPACED: "' ' || translate(d.folded, E'\\n', ' ') || ' '",
}
_CHANGING: LiteralString = "extract(epoch FROM clock_timestamp())::float8"
"""In place of a level that is NULL, which none is: what may change between two looks is computed
once. (OFFSET 0 would do that too, but keep PostgreSQL from sharing the work between processes.)
"""
_NEWEST: LiteralString = """
  ORDER BY "takenAt" DESC FETCH FIRST (%(budget)s::int8) ROWS WITH TIES"""
_TEXTS = """(
SELECT "assetId", "takenAt", embedding{distance}, {found} AS found, {every} AS every,
  ({score}) * ({certainty}) AS text_score
FROM (
  SELECT "assetId", "takenAt", embedding, confidence, folded{distances}, {levels}
  FROM immich_aio.document d WHERE {which}{order}
) d WHERE {enough}
)"""
_SCORE: LiteralString = """
  %(weigh_words)s * ({found}) * ({found})
  + CASE WHEN {every} THEN %(weigh_together)s * ({found}) + %(weigh_phrase)s * ({in_order})
    ELSE 0 END"""
_CERTAINTY: LiteralString = """
  CASE WHEN confidence >= %(sure)s THEN 1
    ELSE 1 - %(weigh_unsure)s * least((%(sure)s - confidence) / %(doubt)s, 1) END"""
_BOUNDS_ALONE = """(
SELECT "assetId", "takenAt", embedding, ({score}) * ({certainty}) AS text_score
FROM immich_aio.document d WHERE {which}
)"""
"""What texts with one word alone score at most; one that turns out not to have it may be there."""


@dataclass(frozen=True, slots=True)
class TextMatch:
    """The expressions of one query, each over ``d``, and their parameters."""

    candidates: tuple[LiteralString, ...]
    """By condition: what the index of grams can tell. True for every text that holds it."""
    excluded: LiteralString
    """Whether anything excluded occurs; empty where nothing is excluded."""
    levels: tuple[LiteralString, ...]
    """By condition: how well it is found, 0…1."""
    bounds: tuple[LiteralString, ...]
    """The same at most, as far as that is told without the text, where none is found misread; of a
    condition alone its score in a sure text."""
    phrase: LiteralString
    """Whether the words stand together as they were typed, 0…1."""
    phrase_bound: LiteralString
    """The same at most."""
    parameters: dict[str, Any]

    @classmethod
    def of(
        cls,
        query: TextQuery,
        rarities: Sequence[float],
        weights: Weights,
        misread: Collection[int] = (),
        is_frequent: Callable[[list[int]], bool] = lambda _grams: False,
        *,
        in_a_row: bool = False,
    ) -> TextMatch:
        """Write the expressions of a query whose conditions are so rare.

        The conditions whose numbers are in ``misread`` also find words with a misread character,
        through what is left of them, unless grams ``is_frequent``. With ``in_a_row`` no text is
        read for a bound to tell whether they stand together: most do.
        """
        writer = _Writer(is_frequent)
        worth = _level if len(query.conditions) > 1 else _score_alone
        candidates, levels, bounds = [], [], []
        for number, needles in enumerate(query.conditions):
            near = number in misread
            candidates.append(_any(writer.candidate(needle, near) for needle in needles))
            levels.append(_greatest([writer.level(needle, near) for needle in needles]))
            bounds.append(_greatest([writer.bound(needle, worth) for needle in needles]))
        excluded = [writer.occurs(needle) for needle in query.excluded]
        phrase = writer.phrase(query.phrase) if query.phrase else "0"
        total = sum(rarities)
        shares = {f"share_{number}": rarity / total for number, rarity in enumerate(rarities)}
        return cls(
            tuple(candidates),
            _any(excluded) if excluded else "",
            tuple(levels),
            tuple(bounds),
            phrase,
            "1" if in_a_row else phrase,
            writer.parameters | shares | _constants(weights),
        )

    def texts(
        self,
        which: LiteralString,
        *,
        every_word: bool,
        distance: LiteralString | None = None,
        newest: bool = False,
        at_most: bool = False,
    ) -> LiteralString:
        """The texts of which that condition over ``d`` holds, scored as ``domain/ranking.py`` does.

        Each has ``found`` (the share of the words, by rarity), ``every`` (whether all are there),
        ``text_score``, and its document's columns that results need. Either every word must be
        there, or enough of them. With a ``distance`` they come by that, and each has it; with
        ``newest`` only so many of the newest are looked at as ``budget`` says.
        With ``at_most`` the scores are those they have at most, which takes much less time.
        """
        if at_most and len(self.bounds) == 1:
            (score,) = self.bounds
            return _BOUNDS_ALONE.format(score=score, certainty=_CERTAINTY, which=which)
        numbers = range(len(self.levels))
        levels = ", ".join(
            f"coalesce({sql}, {_CHANGING}) AS l{number}"
            for number, sql in enumerate(self.bounds if at_most else self.levels)
        )
        found = " + ".join(f"%(share_{number})s * l{number}" for number in numbers)
        every = " AND ".join(f"l{number} > 0" for number in numbers)
        in_order = self.phrase_bound if at_most else self.phrase
        in_order = _in_order_alone("l0") if len(self.levels) == 1 else in_order
        enough = every if every_word else f"({found}) >= %(least)s"
        order: LiteralString = _NEWEST if newest else ""
        if distance is not None:
            order = " ORDER BY distance"
        return _TEXTS.format(
            levels=levels,
            found=found,
            every=every,
            score=_SCORE.format(found=found, every=every, in_order=in_order),
            certainty=_CERTAINTY,
            which=which,
            enough=enough,
            distances="" if distance is None else f", {distance} AS distance",
            distance="" if distance is None else ", distance",
            order=order,
        )

    def all_of(self) -> LiteralString:
        """What the index can tell of texts that hold every word."""
        return _written(" AND ".join(self.candidates))

    def any_of(self, conditions: Iterable[int]) -> LiteralString:
        """What the index can tell of texts that hold one of these words."""
        return _any([self.candidates[number] for number in conditions])


def _constants(weights: Weights) -> dict[str, float]:
    return {
        "sure": SURE,
        "doubt": SURE - UNSURE,
        "weigh_unsure": weights.unsure,
        "weigh_words": weights.words,
        "weigh_together": weights.together,
        "weigh_phrase": weights.phrase,
    }


class _Writer:
    """Writes expressions and collects their parameters."""

    def __init__(self, is_frequent: Callable[[list[int]], bool]) -> None:
        self._is_frequent = is_frequent
        self.parameters: dict[str, Any] = {}

    def candidate(self, needle: Needle, near: bool) -> LiteralString:
        tests = [_written(f"d.grams @> {self._put(needle_grams(needle))}::int4[]")]
        if near:
            left = [grams for text in misreadable(needle) for grams in intact_grams(text)]
            tests += [
                _written(f"d.grams @> {self._put(grams)}::int4[]")
                for grams in left
                if not self._is_frequent(grams)
            ]
        return _any(tests)

    def level(self, needle: Needle, near: bool) -> LiteralString:
        cases = (
            f"WHEN {self._holds(rule)} THEN {_level(rule.match)}"
            for rule in rules(needle, near=near)
        )
        return _written(f"CASE {' '.join(cases)} ELSE 0 END")

    def bound(self, needle: Needle, worth: Callable[[Match], LiteralString]) -> LiteralString:
        best, *others = rules(needle, near=False)
        if best.where is not Where.WORDS:
            return worth(best.match)
        at_most = worth(max((rule.match for rule in others), default=Match.NONE))
        may_hold = self._may_hold(needle.text)
        return _written(f"CASE WHEN {may_hold} THEN {worth(best.match)} ELSE {at_most} END")

    def occurs(self, needle: Needle) -> LiteralString:
        tests = _any(self._holds(rule) for rule in rules(needle, near=False))
        return _written(f"({self.candidate(needle, near=False)} AND {tests})")

    def phrase(self, text: str) -> LiteralString:
        tests = _any(self._holds(rule) for rule in phrase_rules(text))
        if " " in text:
            tests = _written(f"({self._may_be_broken(text)} AND {tests})")
        return _written(f"CASE WHEN {tests} THEN 1 ELSE 0 END")

    def _holds(self, rule: Rule) -> LiteralString:
        form = _FORMS[rule.where]
        if rule.patterns:
            tests = rule.needed, rule.patterns
            fits = (f"{form} LIKE ANY({self._put(list(one))}::text[])" for one in tests)
            return _written(f"({' AND '.join(fits)})")
        holds = f"strpos({form}, {self._put(rule.text)}) > 0"
        if rule.where is Where.WORDS:
            holds = f"({self._may_hold(rule.text.strip())} AND {holds})"
        if rule.where is Where.SPACED:  # which takes much longer to make than to see it is in vain
            holds = f"({self._may_be_broken(rule.text.strip())} AND {holds})"
        return _written(holds)

    def _may_be_broken(self, text: str) -> LiteralString:
        """Whether a text may hold it, be it over the end of a line."""
        return _written(f"d.folded LIKE {self._put('%' + text.replace(' ', '_') + '%')}")

    def _may_hold(self, word: str) -> LiteralString:
        """Whether a text may hold it as a word, by its word bits."""
        bits = (f'get_bit(d."wordBits", {self._put(one)}) = 1' for one in bits_of(word))
        return _written(" AND ".join(bits))

    def _put(self, value: object) -> str:
        name = f"match_{len(self.parameters)}"
        self.parameters[name] = value
        return f"%({name})s"


def _level(match: Match) -> LiteralString:
    return _written(f"{float(match)}::float8")


def _score_alone(match: Match) -> LiteralString:
    """What one word alone scores that is found so well: numbers, which are reckoned with once."""
    level = _level(match)
    found = f"%(share_0)s * {level}"
    return _SCORE.format(found=found, every=f"{level} > 0", in_order=_in_order_alone(level))


def _in_order_alone(level: LiteralString) -> LiteralString:
    return f"CASE WHEN {level} > {_level(Match.NEAR)} THEN {level} ELSE 0 END"


def intact_grams(word: str) -> list[list[int]]:
    """The grams that a text has, some of these, that holds a word misread.

    One wrong character leaves one of a word's halves intact, or a short word's two ends; two that
    are swapped may leave what is outside. Of five or six letters the middle ones must be right.
    """
    middle = len(word) // 2
    if len(word) == MIN_MISREAD_CJK:
        parts = [[word[middle:]], [word[0], word[-1]]]
    else:
        head = middle if is_cjk(word[0]) else max(middle, 3)
        parts = [[word[:head]], [word[middle:]], [word[: middle - 1], word[middle + 1 :]]]
    found = [sorted({gram for one in some for gram in _part_grams(one)}) for some in parts]
    return [grams for grams in found if grams]


def _part_grams(part: str) -> list[int]:
    """The grams of a part of a word; none of one that is too short to tell."""
    return query_grams(part) if len(part) > 2 or any(map(is_cjk, part)) else []


def needle_grams(needle: Needle) -> list[int]:
    """The grams that every text with that needle has."""
    return query_grams(needle.text)


def _any(tests: Iterable[LiteralString]) -> LiteralString:
    return _written("(" + (" OR ".join(tests) or "false") + ")")


def _greatest(levels: Sequence[LiteralString]) -> LiteralString:
    return levels[0] if len(levels) == 1 else _written(f"greatest({', '.join(levels)})")


def _written(sql: str) -> LiteralString:
    """It is literal as far as injection goes: it is put together from this module's own words."""
    return sql

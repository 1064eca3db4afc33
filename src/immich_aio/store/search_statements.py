"""The statements of a search, put together from its filters, its words and its vector."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import LiteralString

from immich_aio.domain.immich import Shape
from immich_aio.store.asset_search import Selection
from immich_aio.store.named_sql import NamedSql
from immich_aio.store.text_match import TextMatch

_SQL = NamedSql(resources.files(__package__) / "search_statements.sql", Shape.V3_1)
_TEXTS: dict[str, LiteralString] = {
    "texts": "true",
    "texts_with_copy": _SQL["with_copy"],
    "texts_without_copy": _SQL["without_copy"],
    "texts_of_asset": 'd."assetId" = asset.id',
    "texts_of_newest": 'd."takenAt" IS NOT NULL',
    "texts_of_vector": 'd."assetId" = smart_search."assetId"',
    "texts_of_outline": 'd."assetId" = outline."assetId"',
    "texts_by_meaning": _SQL["with_meaning"],
    "bounds_of_all": "true",
    "bounds_with_copy": _SQL["with_copy"],
    "bounds_without_copy": _SQL["without_copy"],
}
"""By slot of the statements: which texts it is for."""


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements of one search; what each gives is told in ``search_statements.sql``."""

    selection: Selection
    match: TextMatch
    candidates: LiteralString = "false"
    """What the index of grams can tell of the texts that count."""
    half_vectors: bool = True
    """Whether the copies of vectors are of half precision."""
    dimensions: int = 0
    """The length of vectors."""
    every_word: bool = False
    """Whether only texts with all words count, rather than those with enough of them."""
    in_half: bool = False
    """Whether only texts of one half are bounded."""

    def __getitem__(self, name: str) -> LiteralString:
        """Give a statement by its name; raises InternalError for a name that is not there."""
        return self._filled(_SQL[name])

    @property
    def exact(self) -> LiteralString:
        """All that has a vector or a text that counts, scored."""
        return self._scored("all_wanted")

    @property
    def rest_of_texts(self) -> LiteralString:
        """What has a text that counts and is not among those found, scored."""
        return self._scored("rest_of_texts")

    @property
    def rest_matched(self) -> LiteralString:
        """The same, best first."""
        not_found = _SQL["not_found"]
        return self._filled(
            _SQL["matched"],
            texts_with_copy=self._counting(f"{_SQL['with_copy']} AND {not_found}"),
            texts_without_copy=self._counting(f"{_SQL['without_copy']} AND {not_found}"),
        )

    @property
    def rest_without_text(self) -> LiteralString:
        """What has a vector, no text that counts, and is not among those found, scored."""
        return self._scored("rest_without_text")

    def _scored(self, wanted: str) -> LiteralString:
        return self._filled(_SQL["exact"], wanted=_SQL[wanted])

    def _filled(self, sql: LiteralString, **more: LiteralString) -> LiteralString:
        needed = [name for name in _TEXTS if f"{{{name}}}" in sql]
        slots = {name: self._texts(name) for name in needed} | {
            "selection": self.selection.sql,
            "not_excluded": self._not_excluded,
            "no_text": self._no_text,
            "closeness": _SQL["closeness"].format(copy_type=self._copy_type),
            "own_closeness": _SQL["own_closeness"],
            "outline": _SQL["outline"],
        }
        return sql.format(**slots | more)

    def _texts(self, name: str) -> LiteralString:
        """The texts that count, of some, scored: for the slot of that name."""
        which = _TEXTS[name]
        if name == "texts_of_outline":  # what else must hold of them has been asked before
            return self.match.texts(which, every_word=self.every_word)
        if name == "texts_by_meaning":
            distance = self._of_length(_SQL["near_in_meaning"])
            return self._counting(self._of_length(which), distance=distance)
        if name == "texts_of_newest":  # of so many, texts tell faster than their grams
            which = f"{which}{self._apart}"
            return self.match.texts(which, every_word=self.every_word, newest=True)
        return self._counting(which, at_most=name.startswith("bounds"))

    def _of_length(self, sql: LiteralString) -> LiteralString:
        written: LiteralString = sql.format(dimensions=self.dimensions)  # a number
        return written

    def _counting(
        self, which: LiteralString, distance: LiteralString | None = None, *, at_most: bool = False
    ) -> LiteralString:
        """The texts that count, of those; with a ``distance`` in its order.

        With ``at_most`` those that may count, with the scores that they have at most.
        """
        if not self.match.levels:
            return _SQL["no_texts"]
        which = f"{which} AND ({self.candidates}){self._apart}"
        if at_most and self.in_half:
            which = f"{which} AND {_SQL['of_half']}"
        return self.match.texts(
            which, every_word=self.every_word, distance=distance, at_most=at_most
        )

    @property
    def _copy_type(self) -> LiteralString:
        return "halfvec" if self.half_vectors else "vector"

    @property
    def _apart(self) -> LiteralString:
        """That nothing excluded occurs in the text ``d``."""
        return f" AND NOT {self.match.excluded}" if self.match.excluded else ""

    @property
    def _no_text(self) -> LiteralString:
        """Whether ``asset`` has no text that counts."""
        if not self.match.levels:
            return "true"
        texts = self._texts("texts_of_asset")
        return _SQL["no_text_that_counts"].format(texts=texts)

    @property
    def _not_excluded(self) -> LiteralString:
        """Whether nothing excluded occurs in the text of ``asset``."""
        if not self.match.excluded:
            return "true"
        return _SQL["nothing_excluded"].format(excluded=self.match.excluded)

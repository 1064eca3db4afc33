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
        return self._filled(
            _SQL["matched"],
            texts_with_copy=self._texts(f"{_SQL['with_copy']} AND {_SQL['not_found']}"),
            texts_without_copy=self._texts(f"{_SQL['without_copy']} AND {_SQL['not_found']}"),
        )

    @property
    def rest_without_text(self) -> LiteralString:
        """What has a vector, no text that counts, and is not among those found, scored."""
        return self._scored("rest_without_text")

    def _scored(self, wanted: str) -> LiteralString:
        return self._filled(_SQL["exact"], wanted=_SQL[wanted])

    def _filled(self, sql: LiteralString, **more: LiteralString) -> LiteralString:
        texts: dict[str, LiteralString] = {
            "texts": "true",
            "texts_with_copy": _SQL["with_copy"],
            "texts_without_copy": _SQL["without_copy"],
            "texts_of_asset": 'd."assetId" = asset.id',
            "texts_of_newest": 'd."assetId" = newest.id',
            "texts_of_vector": 'd."assetId" = smart_search."assetId"',
        }
        slots: dict[str, LiteralString] = {
            name: self._texts(which) for name, which in texts.items() if f"{{{name}}}" in sql
        }
        if "{texts_by_meaning}" in sql:
            slots["texts_by_meaning"] = self._texts(
                self._of_length(_SQL["with_meaning"]),
                order=self._of_length(_SQL["near_in_meaning"]),
            )
        slots |= {
            "selection": self.selection.sql,
            "not_excluded": self._not_excluded,
            "no_text": self._no_text,
            "copy_type": "halfvec" if self.half_vectors else "vector",
        }
        return sql.format(**slots | more)

    def _of_length(self, sql: LiteralString) -> LiteralString:
        written: LiteralString = sql.format(dimensions=self.dimensions)  # a number
        return written

    def _texts(self, which: LiteralString, order: LiteralString | None = None) -> LiteralString:
        """The texts that count, of those assets; with ``order`` by that, as their ``distance``."""
        if not self.match.levels:
            return _SQL["no_texts"]
        apart = f" AND NOT {self.match.excluded}" if self.match.excluded else ""
        which = f"{which} AND ({self.candidates}){apart}"
        return self.match.texts(which, every_word=self.every_word, order=order)

    @property
    def _no_text(self) -> LiteralString:
        """Whether ``asset`` has no text that counts."""
        if not self.match.levels:
            return "true"
        texts = self._texts('d."assetId" = asset.id')
        return _SQL["no_text_that_counts"].format(texts=texts)

    @property
    def _not_excluded(self) -> LiteralString:
        """Whether nothing excluded occurs in the text of ``asset``."""
        if not self.match.excluded:
            return "true"
        return _SQL["nothing_excluded"].format(excluded=self.match.excluded)

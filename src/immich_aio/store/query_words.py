"""From a query as it was typed to what is looked for: folded, and cut into words as texts are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from immich_aio.domain.search_query import SearchQuery, Term
from immich_aio.domain.text_query import Needle, TextQuery
from immich_aio.store.text.folding import fold, fold_document
from immich_aio.store.text.scripts import CJK
from immich_aio.store.text.segmentation import Segmenter

MAX_WORDS = 24
"""Words looked for in texts; those beyond count for the meaning only."""
_RUNS = re.compile(rf"[{CJK}]+|[^\s{CJK}]+")
_IS_CJK = re.compile(f"[{CJK}]")


async def text_query(query: SearchQuery, segmenter: Segmenter) -> TextQuery:
    """Fold and cut a query. Terms without a letter or digit fall away."""
    plain = [fold(clause[0].text) for clause in query.clauses if _is_plain(clause)]
    tokens = await segmenter.words(plain) if plain else []
    known = dict(zip(plain, tokens, strict=True))
    phrase = _phrase(query)
    conditions: dict[tuple[Needle, ...], None] = {}
    for clause in query.clauses:
        conditions.update(dict.fromkeys(_conditions(clause, known, phrase or "")))
    excluded = [needle for term in query.excluded for needle in _alternatives(term)]
    return TextQuery(
        conditions=tuple(conditions)[:MAX_WORDS],
        excluded=tuple(excluded),
        phrase=phrase if len(conditions) > 1 else None,
    )


def _is_plain(clause: Sequence[Term]) -> bool:
    """Whether it is one term that may be several words."""
    return len(clause) == 1 and not clause[0].quoted and not _is_divided(clause[0].text)


def _conditions(
    clause: Sequence[Term], tokens: dict[str, list[str]], phrase: str
) -> Iterable[tuple[Needle, ...]]:
    """A word alone may be several, each a condition; one of several terms is a piece."""
    if not _is_plain(clause):
        needles = [needle for term in clause for needle in _alternatives(term)]
        if needles:
            yield tuple(dict.fromkeys(needles))
        return
    folded = fold(clause[0].text)
    for word in _words(folded, tokens[folded]):
        longer = (run for run in (phrase or folded).split(" ") if word in run and run != word)
        yield (Needle(word, part_of=next(longer, None)),)


def _is_divided(text: str) -> bool:
    """Whether punctuation stands inside, as in a date, a plate or an order number."""
    return "\n" in fold_document([text])


def _alternatives(term: Term) -> list[Needle]:
    """A term in one piece; with and without the punctuation inside it."""
    pieces = fold_document([term.text]).split("\n")
    return [Needle(piece, exact=term.quoted or " " in piece) for piece in pieces if piece]


def _words(folded: str, tokens: Sequence[str]) -> Iterable[str]:
    """Cut a text into the longest of the tokens, and what is between them."""
    known = set(tokens)
    longest = max(map(len, tokens), default=1)
    for run in _RUNS.findall(folded):
        yield from _cut(run, known, longest) if _IS_CJK.match(run) else (run,)


def _cut(run: str, known: set[str], longest: int) -> Iterable[str]:
    """Single characters that no word claims stay together: a name, more often than not."""
    at, rest = 0, ""
    while at < len(run):
        sizes = range(min(longest, len(run) - at), 1, -1)
        size = next((size for size in sizes if run[at : at + size] in known), 1)
        if size == 1:
            rest += run[at]
        else:
            if rest:
                yield rest
            rest = ""
            yield run[at : at + size]
        at += size
    if rest:
        yield rest


def _phrase(query: SearchQuery) -> str | None:
    """All words as they were typed, where it is words and nothing else."""
    if any(len(clause) > 1 for clause in query.clauses):
        return None
    return fold(" ".join(clause[0].text for clause in query.clauses)) or None

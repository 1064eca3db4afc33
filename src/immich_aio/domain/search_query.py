"""What a person types into the search box, taken apart. Any text is a query; there are no errors.

    发票 杭州          both words
    "上海 虹桥"        exactly that, in that order
    -酒店              nothing with that word
    发票 OR 收据       either
    ocr:发票           text only: what things look like does not count

``OR`` (in capitals, or ``|``) binds closer than a space. Chinese and typographic quotation marks
are quotation marks; one that is never closed ends with the query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

MAX_TERMS = 32
"""What follows after so many words is left to the meaning alone; nobody types that much."""
_PREFIX = re.compile(r"^\s*ocr\s*[:：]", re.IGNORECASE)
_CLOSING = {'"': '"', "“": "”", "”": "”", "„": "“", "「": "」", "『": "』", "＂": "＂"}
_OPENING = "".join(map(re.escape, _CLOSING))
_TOKENS = re.compile(
    rf"(?P<minus>(?<!\S)[-－](?=[^\s\-－]))?"
    rf"(?:(?P<open>[{_OPENING}])(?P<rest>)|(?P<bar>[|｜]+)|(?P<word>[^\s|｜{_OPENING}]+))"
)


@dataclass(frozen=True, slots=True)
class Term:
    """A word as it was typed, or what stood between quotation marks."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A query: every clause must hold through any of its terms, and no excluded term may occur."""

    clauses: tuple[tuple[Term, ...], ...]
    excluded: tuple[Term, ...]
    text_only: bool
    meaning: str
    """What is asked of CLIP: the words without the operators."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for."""
        return not self.clauses


class _Mark(Enum):
    OR = "or"


def after_prefix(text: str) -> str | None:
    """What follows ``ocr:``; None where that is not how a text begins."""
    prefix = _PREFIX.match(text)
    return text[prefix.end() :] if prefix else None


def parse_query(text: str) -> SearchQuery:
    """Take a query apart."""
    after = after_prefix(text)
    asked = text if after is None else after
    asked = asked.replace("\0", " ").strip()
    wanted: list[Term | _Mark] = []
    excluded: list[Term] = []
    for term, minus in _terms(asked):
        if minus and isinstance(term, Term):
            excluded.append(term)
            if wanted and wanted[-1] is _Mark.OR:
                wanted.pop()  # what is excluded is no alternative
        else:
            wanted.append(term)
    clauses = _clauses(wanted)
    return SearchQuery(
        tuple(clauses[:MAX_TERMS]),
        tuple(excluded[:MAX_TERMS]),
        text_only=after is not None,
        meaning=_meaning(asked, clauses, has_operators=bool(excluded) or _is_marked(wanted)),
    )


def _terms(text: str) -> list[tuple[Term | _Mark, bool]]:
    """The terms and whether a minus stands before each."""
    found: list[tuple[Term | _Mark, bool]] = []
    at = 0
    while match := _TOKENS.search(text, at):
        at, minus = match.end(), match["minus"] is not None
        if match["open"] is not None:
            end = text.find(_CLOSING[match["open"]], at)
            end = len(text) if end < 0 else end
            if text[at:end].strip():
                found.append((Term(text[at:end].strip(), quoted=True), minus))
            at = end + 1
        elif match["bar"] is not None or (match["word"] == "OR" and not minus):
            found.append((_Mark.OR, False))
        else:
            found.append((Term(match["word"]), minus))
    return found


def _clauses(terms: list[Term | _Mark]) -> list[tuple[Term, ...]]:
    """Terms joined by OR stand in one clause; an OR at either end joins nothing."""
    clauses: list[tuple[Term, ...]] = []
    joins = False
    for term in terms:
        if isinstance(term, _Mark):
            joins = bool(clauses)
        elif joins:
            clauses[-1] = (*clauses[-1], term)
            joins = False
        else:
            clauses.append((term,))
    return clauses


def _is_marked(terms: list[Term | _Mark]) -> bool:
    return any(isinstance(term, _Mark) or term.quoted for term in terms)


def _meaning(asked: str, clauses: list[tuple[Term, ...]], *, has_operators: bool) -> str:
    """Without operators it is what was typed, so that Immich's cache and ours have the same key."""
    if not has_operators:
        return asked
    return " ".join(term.text for clause in clauses for term in clause)

"""Where in the lines of a photo a word stands, by the rules by which it was found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate

from immich_aio.store.text.folding import fold, fold_apart
from immich_aio.store.text.grams import is_cjk
from immich_aio.store.text.origins import origins
from immich_aio.store.word_match import Rule, Where

Span = tuple[int, int]
"""The first character, and the one after the last."""


def holds(rule: Rule, folded: str, words: str) -> bool:
    """Whether a document is as the rule has it; SQL says the same (``text_match.py``)."""
    if rule.patterns:
        return any(_pattern(one).search(folded) for one in rule.patterns)
    return rule.text in (words if rule.where is Where.WORDS else _form(rule.where, folded))


class Lines:
    """The lines of one photo, and where words stand in them."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._folded = [fold(text) for text in texts]
        # Lines of which nothing is left are no lines of the document either.
        self._numbers = [number for number, folded in enumerate(self._folded) if folded]
        lines = [self._folded[number] for number in self._numbers]
        self._starts = [0, *accumulate(len(line) + 1 for line in lines)]
        self._body = "\n".join(lines)

    def places(self, rule: Rule) -> dict[int, list[Span]]:
        """By the line's number, where the text of a rule that holds stands in the line as read.

        A line without spans holds it where nobody can tell.
        """
        found: dict[int, list[Span]] = {}
        for span in self._in_body(rule):
            for number, start, end in self._by_line(span):
                before = self._folded[number][:start]
                first = len(before.replace(" ", ""))
                last = first + len(self._folded[number][start:end].replace(" ", ""))
                found.setdefault(number, []).extend(self._origin(number, first, last))
        return found or self._joined(rule.text.strip())

    def _in_body(self, rule: Rule) -> Iterator[Span]:
        """Where it stands in all lines one after the other."""
        if rule.patterns:
            for pattern in rule.patterns:
                yield from (match.span() for match in _pattern(pattern).finditer(self._body))
        elif rule.where is Where.WORDS:
            yield from self._words(rule.text.strip())
        elif rule.where is Where.UNBROKEN:
            kept = [at for at, one in enumerate(self._body) if one != "\n"]
            solid = self._body.replace("\n", "")
            yield from ((kept[a], kept[b - 1] + 1) for a, b in _spans(rule.text, solid))
        elif rule.where is Where.SPACED:
            outer = len(rule.text) - len(rule.text.lstrip())
            spaced = _form(rule.where, self._body)  # which begins with one space more
            yield from ((a + outer - 1, b - outer - 1) for a, b in _spans(rule.text, spaced))
        else:
            yield from _spans(rule.text, self._body)

    def _words(self, text: str) -> list[Span]:
        """Where it stands as a word, or else anywhere: Chinese has no spaces to tell."""
        spans = list(_spans(text, self._body))
        apart = [span for span in spans if self._is_apart(*span)]
        return apart or spans

    def _is_apart(self, start: int, end: int) -> bool:
        before, after = self._body[start - 1 : start], self._body[end : end + 1]
        return _is_edge(before, self._body[start]) and _is_edge(after, self._body[end - 1])

    def _by_line(self, span: Span) -> Iterator[tuple[int, int, int]]:
        """Cut a span at the ends of lines: number, start and end in the folded line."""
        for number, begin in zip(self._numbers, self._starts, strict=False):
            start = max(span[0] - begin, 0)
            end = min(span[1] - begin, len(self._folded[number]))
            if start < end:
                yield number, start, end

    def _joined(self, text: str) -> dict[int, list[Span]]:
        """Where it stands across punctuation: 20260418 in 2026-04-18."""
        found: dict[int, list[Span]] = {}
        for number, line in enumerate(self._texts):
            if any(text in piece for piece in fold_apart([line])[1]):
                solid = self._folded[number].replace(" ", "")
                spans = [self._origin(number, *span) for span in _spans(text, solid)]
                found[number] = [one for origin in spans for one in origin]
        return found

    def _origin(self, number: int, first: int, last: int) -> list[Span]:
        """Where characters of the folded line without its spaces stand in the line as read."""
        from_line = origins(self._texts[number]) if first < last else []
        return [(from_line[first][0], from_line[last - 1][1])] if from_line else []


def _form(where: Where, folded: str) -> str:
    if where is Where.LINES:
        return folded
    if where is Where.UNBROKEN:
        return folded.replace("\n", "")
    return f" {folded} ".replace("\n", " ")


def _pattern(like: str) -> re.Pattern[str]:
    """A pattern of LIKE, which may have ``%`` at its ends only, as a regular expression."""
    inner = ".".join(map(re.escape, like.strip("%").split("_")))
    begins, ends = "" if like.startswith("%") else r"\A", "" if like.endswith("%") else r"\Z"
    return re.compile(begins + inner + ends, re.DOTALL)


def _spans(text: str, body: str) -> Iterator[Span]:
    return (match.span() for match in re.finditer(re.escape(text), body))


def _is_edge(outside: str, inside: str) -> bool:
    """Whether a word of other than Chinese characters may begin or end there."""
    return not outside or outside.isspace() or is_cjk(outside) or is_cjk(inside)

"""The results of a search as a table, taken apart, or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from rich.console import Console
from rich.table import Table
from rich.text import Text

from immich_aio.domain.explanation import Explanation, FoundLine, FoundWord
from immich_aio.domain.ranking import Hit, Match
from immich_aio.domain.search_query import SearchQuery
from immich_aio.store.search_request import SearchPage
from immich_aio.store.viewers import Label

LINES = 3
"""So many lines of a photo's text are shown in the table."""
WIDTH = 100
"""Columns where there is no terminal to ask."""
MARKED = "bold yellow"
HOW: Mapping[Match, str] = {
    Match.WHOLE: "as a word",
    Match.INSIDE: "inside a longer word",
    Match.BROKEN: "over the end of a line",
    Match.NEAR: "with a character misread",
    Match.NONE: "not found",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search came to. ``first`` is the rank of the page's first result."""

    query: SearchQuery
    page: SearchPage
    number: int
    first: int
    by_meaning: bool
    labels: Mapping[UUID, Label]
    explanations: list[Explanation]

    @property
    def results(self) -> Iterator[tuple[int, Hit, Label, Explanation]]:
        """Rank, hit, label and explanation of each that was not deleted meanwhile."""
        pairs = zip(self.page.hits, self.explanations, strict=True)
        for rank, (hit, explanation) in enumerate(pairs, self.first):
            if label := self.labels.get(hit.asset_id):
                yield rank, hit, label, explanation


def write_table(outcome: Outcome) -> None:
    """Print rank, score, name, date and the lines that hold the words."""
    console = _console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("#", "score"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("file", overflow="fold")
    table.add_column("taken", no_wrap=True)
    table.add_column("text", overflow="fold")
    for rank, hit, label, explanation in outcome.results:
        lines = [_marked(line, console) for line in explanation.lines[:LINES]]
        if (more := len(explanation.lines) - LINES) > 0:
            lines.append(Text(f"… {more} more", style="dim"))
        if hit.partial:
            lines.append(Text("(not all of the words)", style="dim"))
        taken = f"{label.taken:%Y-%m-%d}"
        text = Text("\n").join(lines)
        table.add_row(str(rank), f"{hit.score:.3f}", Text(label.name), taken, text)
    if table.row_count:
        console.print(table)
    _end(outcome, console)


def write_explained(outcome: Outcome) -> None:
    """Print each result with what it was ranked by."""
    console = _console()
    for rank, hit, label, explanation in outcome.results:
        head = f"{rank:>3}  {hit.score:.4f}  {label.name}  {label.taken:%Y-%m-%d}  {hit.asset_id}"
        console.print(Text(head, style="bold"), soft_wrap=True)
        for line in _breakdown(explanation, console):
            console.print(Text("     ").append_text(line), soft_wrap=True)
    _end(outcome, console)


def write_json(outcome: Outcome, *, explain: bool) -> None:
    """Print one document."""
    query, page = outcome.query, outcome.page
    document = {
        "query": {
            "words": [[needle.text for needle in one] for one in page.sought.text.conditions],
            "excluded": [needle.text for needle in page.sought.text.excluded],
            "text_only": query.text_only,
            "meaning": query.meaning,
        },
        "by": "text and meaning" if outcome.by_meaning else "text",
        "page": outcome.number,
        "has_more": page.has_more,
        "results": [
            _record(rank, hit, label, explanation)
            | ({"explanation": _explanation(explanation)} if explain else {})
            for rank, hit, label, explanation in outcome.results
        ],
    }
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _end(outcome: Outcome, console: Console) -> None:
    if not outcome.page.hits:
        told = "Nothing was found." if outcome.number == 1 else "There is no such page."
        console.print(told)
    elif outcome.page.has_more:
        console.print(Text(f"More with --page {outcome.number + 1}", style="dim"))


def _console() -> Console:
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = max(console.width, WIDTH)
    return console


def _marked(line: FoundLine, console: Console) -> Text:
    """A line with its words in colour, or in brackets where there is none."""
    shown, at = Text(), 0
    has_colour = console.color_system is not None
    for start, end in line.marks:
        word = line.text[start:end]
        shown.append(line.text[at:start])
        shown.append(word if has_colour else f"[{word}]", style=MARKED)
        at = end
    return shown.append(line.text[at:])


def _breakdown(one: Explanation, console: Console) -> Iterator[Text]:
    weights = one.weights
    cosine = "no cosine" if one.cosine is None else f"cosine {one.cosine:.4f}"
    text = f"{weights.text:g} × text {one.text_score:.4f}" if one.counts else "no text that counts"
    yield Text(f"{one.total:.4f} = {cosine} + {text}")
    if one.found:
        yield Text(f"text {one.text_score:.4f} = {_sum(one)}")
    for share, word in zip(one.shares, one.words, strict=True):
        yield Text(_word(word, share, one))
    for number, line in enumerate(one.lines, 1):
        (left, top), (right, bottom) = line.corners[0], line.corners[2]
        told = Text(f"line {number}: ").append_text(_marked(line, console))
        box = f"  ({left:.2f}, {top:.2f}) to ({right:.2f}, {bottom:.2f}), read at {line.score:.2f}"
        yield told.append(box, style="dim")


def _sum(one: Explanation) -> str:
    """The text's score as the sum that it is."""
    weights = one.weights
    parts = [f"{weights.words:g} × {one.found:.3f}² for the words"]
    if one.every:
        parts.append(f"{weights.together:g} × {one.found:.3f} for all of them")
        if len(one.words) > 1:
            parts.append(f"{weights.phrase:g} together" if one.phrase else "0, not together")
        else:
            alone = one.matches[0] if one.matches[0] > Match.NEAR else 0.0
            parts.append(f"{weights.phrase:g} × {float(alone):g} in one piece")
    return (
        f"({' + '.join(parts)}) × {one.certainty:.3f} for OCR's confidence of "
        f"{one.confidence or 0.0:.3f}"
    )


def _word(word: FoundWord, share: float, one: Explanation) -> str:
    lines = ", ".join(str(number + 1) for number in word.lines)
    where = f", line{'s' * (len(word.lines) > 1)} {lines}" if lines else ""
    return (
        f"{' or '.join(word.alternatives)}: {HOW[word.match]} ({float(word.match):g}){where}; in "
        f"{word.containing:,} of {one.texts:,} texts, {share:.0%} of the query"
    )


def _record(rank: int, hit: Hit, label: Label, explanation: Explanation) -> dict[str, object]:
    return {
        "rank": rank,
        "id": str(hit.asset_id),
        "file_name": label.name,
        "taken": label.taken.replace(tzinfo=None).isoformat(timespec="seconds"),
        "score": hit.score,
        "cosine": hit.cosine,
        "text_score": hit.text_score,
        "some_words_missing": hit.partial,
        "lines": [
            {"text": line.text, "marks": line.marks, "corners": line.corners, "score": line.score}
            for line in explanation.lines
        ],
    }


def _explanation(one: Explanation) -> dict[str, object]:
    weights = one.weights
    return {
        "total": one.total,
        "cosine": one.cosine,
        "text_weight": weights.text,
        "text_score": one.text_score,
        "text_counts": one.counts,
        "found": one.found,
        "every_word": one.every,
        "together": one.phrase,
        "confidence": one.confidence,
        "certainty": one.certainty,
        "weights": {
            "words": weights.words,
            "all_words": weights.together,
            "phrase": weights.phrase,
            "unsure": weights.unsure,
            "least": weights.least,
        },
        "texts": one.texts,
        "words": [
            {
                "alternatives": word.alternatives,
                "match": word.match.name.lower(),
                "level": float(word.match),
                "in_texts": word.containing,
                "rarity": word.rarity,
                "share": share,
                "lines": word.lines,
            }
            for share, word in zip(one.shares, one.words, strict=True)
        ],
    }

"""The labelled set: photos with the text that OCR read on them, and queries with graded answers.

    ./aio bench retrieval --draw        draws it anew into bench/data/

The same seed gives the same set. Papers come from templates (bench/retrieval_papers.py and
…_abroad.py), signs, chats, pages and the like are written by hand (bench/data/retrieval_texts.txt).
One record a line: of a photo the printed lines (``truth``) and the read ones with their confidence
(``lines``), of a query the grades of all photos that answer it. What grades mean:
bench/retrieval_grades.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid5

from bench import retrieval_papers as papers
from bench import retrieval_papers_abroad as abroad
from bench.retrieval_grades import UNJUDGED, Photo
from bench.retrieval_misreading import Reading, misread, planned, texts, wrapped
from bench.retrieval_queries import FREQUENT, QUERIES

SEED = 20260512
DATA = Path(__file__).parent / "data"
PHOTOS, ANSWERS = DATA / "retrieval_photos.jsonl", DATA / "retrieval_queries.jsonl"
_TEXTS = DATA / "retrieval_texts.txt"
_SPACE = UUID("8c0e7f2a-1d53-4b8e-9a6f-35d1c2b7e940")
_MOST_RELEVANT = 45
"""Of a query outside the category of frequent words: more would not fit the fifty that count."""
Lines = list[list[Reading]]
_TEMPLATES: dict[Callable[[Random], list[str]], int] = {
    papers.vat_invoice: 12,
    papers.digital_invoice: 6,
    papers.special_invoice: 4,
    papers.shop_receipt: 24,
    papers.taxi_receipt: 6,
    papers.train_ticket: 20,
    papers.boarding_pass: 12,
    papers.number_plate: 14,
    papers.parking_ticket: 10,
    papers.parcel: 20,
    papers.medicine_box: 20,
    papers.menu: 14,
    papers.business_card: 14,
    abroad.tw_invoice: 12,
    abroad.hk_receipt: 10,
    abroad.jp_receipt: 14,
    abroad.kr_receipt: 12,
    abroad.en_invoice: 14,
    abroad.en_receipt: 10,
}


@dataclass(frozen=True, slots=True)
class PhotoRecord:
    """A photo: when it was taken, what is printed, and what was read with which confidence."""

    id: str
    kind: str
    taken: str
    truth: list[str]
    lines: list[tuple[str, float]]

    @property
    def asset_id(self) -> UUID:
        """Its id in Immich's tables."""
        return uuid5(_SPACE, self.id)


@dataclass(frozen=True, slots=True)
class QueryRecord:
    """A query, and the photos that answer it, with grades from 1 to 3; other photos have 0."""

    category: str
    query: str
    meant: str
    grades: dict[str, int]
    unjudged: list[str]


@dataclass(frozen=True, slots=True)
class RetrievalSet:
    """All photos and all queries."""

    photos: list[PhotoRecord]
    queries: list[QueryRecord]


def load() -> RetrievalSet:
    """The set as it lies in bench/data."""
    photos = [
        PhotoRecord(**one | {"lines": [(text, score) for text, score in one["lines"]]})
        for one in _records(PHOTOS)
    ]
    return RetrievalSet(photos, [QueryRecord(**one) for one in _records(ANSWERS)])


def save(drawn: RetrievalSet) -> None:
    """Write it to bench/data."""
    for path, records in ((PHOTOS, drawn.photos), (ANSWERS, drawn.queries)):
        lines = [json.dumps(asdict(one), ensure_ascii=False) for one in records]
        path.write_text("\n".join(lines) + "\n", "utf-8")


def draw() -> RetrievalSet:
    """Draw photos and their misreadings, and judge them for every query."""
    drawn = [*_papers(), *_written()]
    _dice("order").shuffle(drawn)
    photos = {f"p{number:03}": one for number, one in enumerate(drawn, 1)}
    records = [_record(name, kind, lines) for name, (kind, lines) in photos.items()]
    judged = {name: Photo(lines) for name, (_, lines) in photos.items()}
    return RetrievalSet(records, _answers(judged))


def _dice(*what: object) -> Random:
    """Chance of its own for every photo, so that a change of one leaves the others as they are."""
    return Random(f"{SEED} {what}")


def _papers() -> Iterator[tuple[str, Lines]]:
    for template, count in _TEMPLATES.items():
        for number in range(count):
            dice = _dice(template.__name__, number)
            lines = [planned(line) for line in template(dice)]
            yield template.__name__, [misread(line, dice) for line in lines]


def _written() -> Iterator[tuple[str, Lines]]:
    """What was written by hand; where a misreading is planned, no other is drawn."""
    kind = ""
    for block in _TEXTS.read_text("utf-8").split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith("# ")]
        if lines and lines[0].startswith("## "):
            kind = lines.pop(0).removeprefix("## ")
        if lines:
            dice = _dice(block)
            readings = [_laid_out(line, dice) for line in lines]
            planned_only = "{" in block
            yield kind, readings if planned_only else [misread(one, dice) for one in readings]


def _laid_out(line: str, dice: Random) -> list[Reading]:
    text = line.removeprefix("> ")
    return wrapped(planned(text), dice.randint(30, 44)) if text != line else planned(line)


def _record(name: str, kind: str, lines: Lines) -> PhotoRecord:
    truth = ["".join(one.true for one in line) for line in lines]
    dice = _dice("record", truth)
    taken = papers.date(dice, "{}-{:02}-{:02}")
    taken += f"T{dice.randrange(24):02}:{dice.randrange(60):02}:{dice.randrange(60):02}+00:00"
    read = [(text, _confidence(line, dice)) for line in lines for text in texts(line)]
    return PhotoRecord(name, kind, taken, truth, read)


def _confidence(line: Sequence[Reading], dice: Random) -> float:
    """High for what was read right; never below 0.8, where Immich throws lines away."""
    wrong = any(one.read != one.true for one in line)
    return round(dice.uniform(0.81, 0.95) if wrong else dice.triangular(0.86, 0.999, 0.985), 3)


def _answers(photos: dict[str, Photo]) -> list[QueryRecord]:
    records = []
    for query in QUERIES:
        grades = {name: photo.grade(query) for name, photo in photos.items()}
        relevant = {name: grade for name, grade in grades.items() if grade > 0}
        unjudged = [name for name, grade in grades.items() if grade == UNJUDGED]
        assert relevant, f"nothing answers {query.typed}"
        few = len(relevant) <= _MOST_RELEVANT or query.category == FREQUENT
        assert few, f"{len(relevant)} photos answer {query.typed}"
        records.append(QueryRecord(query.category, query.typed, query.meant, relevant, unjudged))
    return records


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

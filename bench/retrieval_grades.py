"""How well a photo answers a query, judged by what is truly written on it.

The grades, in the terms of whoever searches:

- **3**: exactly what was asked for. Every word is there as a word of its own; words that together
  make a name or phrase (上海 虹桥) stand together.
- **2**: it is there inside something longer (发票 in 增值税电子普通发票, 票 in 车票, 395 in
  D39527), or the words of a phrase are all there, but apart.
- **1**: not what was asked for, but the same characters by chance (京都 in 东京都).
- **0**: a word is missing, or an excluded one is there.

How OCR read it lowers the grade, for a photo that was read well answers more surely: a word with up
to a quarter of its characters misread, or cut in two, or run together with its neighbour, gives 2
at most; one with less than half misread 1. A word counts by the place where it is best.

Left **unjudged**, and taken out of what a search found before it is measured, are photos of which
no search by text can tell: half or more of a word is misread everywhere on it, an excluded word is
misread, or a misreading made a word that is not there.

The spelling is compared as bench/retrieval_folding.py says: Simplified and Traditional, full and
half width, small and capital, with and without accent are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from bench.retrieval_folding import fold, is_cjk, is_ideograph, squeezed
from bench.retrieval_misreading import Reading, texts

UNJUDGED = -1
_LONGER_WORDS = """
    增值税电子普通发票 增值税专用发票 普通发票 电子发票 专用发票 开票日期 纳税人识别号 有限公司
    电子设备 电子产品 电子凭证 统一社会信用代码 身份证 登机牌 登机口 火车站 停车场 停车费 图书馆
    会议室 会议中心 会议纪要 虹桥路 虹桥天地 南京路 西湖区 瘦西湖 西湖醋鱼 阿莫西林 云南白药 领収書
    領収証 花生米 花生酱 花生油 牛奶糖 豆浆粉 牛肉面 红烧牛肉 雲吞麵 珍珠奶茶 咖啡馆 速溶咖啡
    拿铁咖啡 美式咖啡 创业咖啡 路易莎咖啡 文庫本 大模型
"""
LONGER_WORDS = tuple(map(fold, _LONGER_WORDS.split()))
"""Words of which a shorter one may be a part; Chinese does not tell where words end."""
BY_CHANCE = {"和服": "产品和服务", "京都": "东京都", "花生": "开花生长", "虹桥": "彩虹桥"}
"""Characters that stand side by side, but belong to two words."""
_SOFT = frozenset("·-‐–・_")
_LONG_NUMBER = 8
"""Digits from which a number may be printed in groups, and is the same number still."""


@dataclass(frozen=True, slots=True)
class Query:
    """What was typed. ``meant`` differs where it was mistyped; ``together``: words of one name."""

    category: str
    typed: str
    meant: str
    together: bool = False


@dataclass(frozen=True, slots=True)
class Character:
    """A letter, digit or character as printed, folded; ``gap`` is what stands before it."""

    text: str
    gap: str
    misread: bool
    torn: bool
    """Whether OCR parted it from, or joined it with, what stands before it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a word truly stands: from ``start`` to ``end`` in a line and in its bare text."""

    line: Sequence[Character]
    text: str
    start: int
    end: int

    @property
    def misread(self) -> float:
        """The share of its characters that were misread."""
        return sum(one.misread for one in self._word) / len(self._word)

    @property
    def grade(self) -> int:
        """1 to 3, or UNJUDGED."""
        if self.misread >= 0.5:
            return UNJUDGED
        if self.misread > 0.25:
            return 1
        return min(self._true_grade, 2 if self.misread or self._torn else 3)

    @property
    def _word(self) -> Sequence[Character]:
        return self.line[self.start : self.end]

    @property
    def _torn(self) -> bool:
        ends = [self._word[0], *self.line[self.end : self.end + 1]]
        return any(one.torn for one in self._word[1:]) or any(one.torn and one.gap for one in ends)

    @property
    def _true_grade(self) -> int:
        by_chance = BY_CHANCE.get(self.text[self.start : self.end])
        if by_chance and self._within(by_chance):
            return 1
        return 2 if self._goes_on or any(map(self._within, LONGER_WORDS)) else 3

    @property
    def _goes_on(self) -> bool:
        """Whether a neighbour belongs to the same word, as far as scripts tell."""
        alone = self.end - self.start == 1
        return any(
            0 < at < len(self.line)
            and not self.line[at].gap
            and _one_word(self.text[at - 1], self.text[at], alone=alone)
            for at in (self.start, self.end)
        )

    def _within(self, longer: str) -> bool:
        """Whether a longer word covers a part of it and goes on beyond it."""
        return any(
            (match.start() < self.start or match.end() > self.end)
            and match.start() < self.end
            and match.end() > self.start
            for match in re.finditer(re.escape(longer), self.text)
        )


class Photo:
    """The truth of one photo, ready to be judged."""

    def __init__(self, lines: Sequence[Sequence[Reading]]) -> None:
        self._lines = [list(_characters(line)) for line in lines]
        self._squeezed = ["".join(one.text for one in line) for line in self._lines]
        self._read = [squeezed(text) for line in lines for text in texts(line)]

    def grade(self, query: Query) -> int:
        """The grade, or UNJUDGED."""
        wanted, excluded = parsed(query.meant)
        grade = self._all(wanted, together=query.together)
        if grade == 0:
            return UNJUDGED if self._seems_to_say(wanted) else 0
        unwanted = [place for word in excluded for place in self._places(word)]
        if not unwanted:
            return grade
        return 0 if any(place.misread == 0 for place in unwanted) else UNJUDGED

    def _all(self, words: Sequence[str], *, together: bool) -> int:
        grades = [self._word(word) for word in words]
        if 0 in grades:
            return 0
        apart = min(grades)
        if not together:
            return apart
        phrase = self._word(" ".join(words))
        return max(phrase, min(apart, 2)) if phrase > 0 else min(apart, 2)

    def _word(self, word: str) -> int:
        """The best grade of a word or phrase: 0 where it is not, UNJUDGED where unreadable."""
        return max((place.grade for place in self._places(word)), default=0)

    def _places(self, word: str) -> Iterator[Place]:
        asked = _asked(word)
        for line, text in zip(self._lines, self._squeezed, strict=True):
            for at in _places(line, text, asked):
                yield Place(line, text, at, at + len(asked))

    def _seems_to_say(self, words: Iterable[str]) -> bool:
        """Whether every word was read, and at least one only by a misreading."""
        asked = ["".join(one.text for one in _asked(word)) for word in words]
        if not all(any(word in text for text in self._read) for word in asked):
            return False
        return not all(any(word in text for text in self._squeezed) for word in asked)


def parsed(query: str) -> tuple[list[str], list[str]]:
    """Words and quoted phrases that must be there, and those that must not."""
    found = re.findall(r'(-?)(?:["“]([^"”]*)["”]|(\S+))', query)
    wanted = [phrase or word for minus, phrase, word in found if not minus]
    return wanted, [phrase or word for minus, phrase, word in found if minus]


@cache
def _asked(word: str) -> tuple[Character, ...]:
    return tuple(_characters([Reading(one, one) for one in fold(word)]))


def _characters(line: Sequence[Reading]) -> Iterator[Character]:
    gap, read_gap, cut, last = "", "", False, ""
    for one in line:
        true, read = fold(one.true), fold(one.read)
        if not true.isalnum():
            gap, read_gap, cut = gap + true, read_gap + read, cut or one.cut
            continue
        letters = not (is_cjk(last or "一") or is_cjk(true))
        parted = not gap and (cut or bool(read_gap and letters))
        joined = not set(gap) <= _SOFT and letters and not read_gap and not cut
        kept = read.rstrip(" ")
        yield Character(true, gap, misread=kept != true, torn=parted or joined)
        gap, read_gap, cut, last = "", read[len(kept) :], one.cut, true


def _places(line: Sequence[Character], text: str, asked: Sequence[Character]) -> Iterator[int]:
    """Where it truly stands in a line."""
    word = "".join(one.text for one in asked)
    long_number = word.isdecimal() and len(word) >= _LONG_NUMBER
    for match in re.finditer(f"(?={re.escape(word)})", text):
        at = match.start()
        pairs = zip(line[at + 1 : at + len(asked)], asked[1:], line[at:], strict=False)
        if all(
            _same_gap(there, wanted, before.text, long_number=long_number)
            for there, wanted, before in pairs
        ):
            yield at


def _same_gap(there: Character, wanted: Character, before: str, *, long_number: bool) -> bool:
    chinese = is_cjk(before) or is_cjk(there.text)
    if there.gap and not wanted.gap:
        spaces = not there.gap.strip(" ")
        return set(there.gap) <= _SOFT or (spaces and (chinese or long_number))
    if wanted.gap and not there.gap:
        return set(wanted.gap) <= _SOFT or chinese
    return True


def _one_word(left: str, right: str, *, alone: bool) -> bool:
    """Whether two neighbours belong to one word; ``alone`` where one character was asked for."""
    if is_ideograph(left) or is_ideograph(right):
        return alone and is_ideograph(left) and is_ideograph(right)
    return _script(left) == _script(right)


def _script(character: str) -> str:
    for name, first, last in (
        ("hiragana", "ぁ", "ゟ"),
        ("katakana", "゠", "ヿ"),
        ("hangul", "가", "힣"),
    ):
        if first <= character <= last:
            return name
    return "letters"

"""OCR that errs as it really does, and remembers where: each true character with what was read.

What happens to a line: look-alikes (未 for 末, O for 0, rn for m), dropped characters, missing
punctuation and spaces, spaces between Chinese characters, full-width digits, and a line found as
two, also in the middle of a word. Rates are those of photographs that are read fairly well.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from bench.retrieval_folding import is_cjk

LOOK_ALIKES = (
    "未末 己已 日曰 人入 土士 千干 天夫 大太 间问 白自 票粟 发友 云去 杭抗 州洲 桥侨 银很 名各 "
    "开井 收牧 子于 西酉 末未 已己 入人 太大 问间 自白 治冶 货贷 免兔 贝见 侯候 找我 拆折 乌鸟 "
    "茶荼 ー一 カ力 ロ口 ソン シツ 力カ 口ロ 대데 수스 O0 0O l1 1l I1 S5 5S B8 8B Z2 G6"
)
_READ_FOR = {pair[0]: pair[1] for pair in LOOK_ALIKES.split()}
_LOOK_ALIKE_RATE = 0.02
_LOOK_ALIKE_RATE_LATIN = 0.006
_DROP_RATE = 0.003
_PUNCTUATION_RATE = 0.06
_LOST_SPACE_RATE = 0.02
_RN_RATE = 0.04
_SPACED_LINES = 0.06
_WIDE_LINES = 0.03
_SPLIT_LINES = 0.04
_PUNCTUATION = frozenset("，。、：；（）·,.:;()*“”？！?!-/")
_PLANNED = re.compile(r"\{(?P<true>[^|{}]+)\|(?P<read>[^|{}]*)\}")


@dataclass(frozen=True, slots=True)
class Reading:
    """One true character, what was read for it, and whether the line was cut after it."""

    true: str
    read: str
    cut: bool = False


def planned(line: str) -> list[Reading]:
    """The misreadings that are written into a line as ``{truth|reading}``, and no others."""
    found: list[Reading] = []
    at = 0
    for match in _PLANNED.finditer(line):
        found += [Reading(one, one) for one in line[at : match.start()]]
        found += _paired(match["true"], match["read"])
        at = match.end()
    return found + [Reading(one, one) for one in line[at:]]


def misread(line: Sequence[Reading], rng: Random) -> list[Reading]:
    """The line with errors drawn at random."""
    wide = rng.random() < _WIDE_LINES
    read = list(_rn_for_m([_misread_one(one, rng, wide=wide) for one in line], rng))
    if rng.random() < _SPACED_LINES:
        read = _spaced(read, rng)
    if rng.random() < _SPLIT_LINES:
        read = _split(read, rng)
    return read


def wrapped(line: Sequence[Reading], width: int) -> list[Reading]:
    """A paragraph cut into lines: between any two Chinese characters, else at spaces."""
    cut: list[Reading] = []
    length = 0
    for one in line:
        length += 2 if is_cjk(one.true) else 1
        ends = length >= width and (is_cjk(one.true) or one.true == " ")
        cut.append(replace(one, cut=ends))
        length = 0 if ends else length
    return cut


def texts(line: Iterable[Reading]) -> list[str]:
    """The lines that OCR gives for one that was printed."""
    found, current = [], ""
    for one in line:
        current += one.read
        if one.cut:
            found.append(current)
            current = ""
    return [text.strip() for text in (*found, current) if text.strip()]


def _paired(true: str, read: str) -> list[Reading]:
    pairs = [Reading(one, got) for one, got in itertools.zip_longest(true, read[: len(true)])]
    pairs = [replace(one, read=one.read or "") for one in pairs]
    pairs[-1] = replace(pairs[-1], read=pairs[-1].read + read[len(true) :])
    return pairs


def _misread_one(one: Reading, rng: Random, *, wide: bool) -> Reading:
    chance = rng.random()
    if one.true in _PUNCTUATION:
        return replace(one, read="") if chance < _PUNCTUATION_RATE else one
    if one.true == " ":
        return replace(one, read="") if chance < _LOST_SPACE_RATE else one
    rate = _LOOK_ALIKE_RATE_LATIN if one.true.isascii() else _LOOK_ALIKE_RATE
    if one.true in _READ_FOR and chance < rate:
        return replace(one, read=_READ_FOR[one.true])
    if chance > 1 - _DROP_RATE:
        return replace(one, read="")
    if wide and one.true in "0123456789":
        return replace(one, read=chr(ord(one.true) + 0xFEE0))
    return one


def _rn_for_m(line: list[Reading], rng: Random) -> Iterator[Reading]:
    """``m`` read as ``rn``, and ``rn`` as ``m``."""
    skip = False
    for one, following in itertools.zip_longest(line, line[1:]):
        if skip:
            skip = False
            yield replace(one, read="")
        elif one.read == "m" and rng.random() < _RN_RATE:
            yield replace(one, read="rn")
        elif one.read == "r" and following and following.read == "n" and rng.random() < _RN_RATE:
            skip = True
            yield replace(one, read="m")
        else:
            yield one


def _spaced(line: list[Reading], rng: Random) -> list[Reading]:
    """One space more, between two Chinese characters."""
    if places := [at for at in range(len(line) - 1) if _chinese(line[at : at + 2])]:
        at = rng.choice(places)
        line[at] = replace(line[at], read=line[at].read + " ")
    return line


def _split(line: list[Reading], rng: Random) -> list[Reading]:
    """A cut between two Chinese characters or after a sign; words of letters are found whole."""
    places = [
        at
        for at in range(1, len(line) - 2)
        if _chinese(line[at : at + 2]) or not line[at].true.isalnum()
    ]
    if places:
        at = rng.choice(places)
        line[at] = replace(line[at], cut=True)
    return line


def _chinese(pair: Sequence[Reading]) -> bool:
    return all(is_cjk(one.true) for one in pair)

"""The soak as a picture (SVG): memory of each server, latency of each kind, events and losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from bench.soak_parts import ROLES
from bench.soak_record import QUARTERS, Record, percentile

WIDTH, LEFT, RIGHT = 960, 64, 150
TOP, HEIGHT, GAP = 56, 220, 70
BUCKETS = 60
"""Points of a line of latencies."""
COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#a463f2", "#97bbf5", "#9c6b4e")
TEXT = 'font-family="sans-serif" font-size="12"'

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class _Panel:
    """A pair of axes: time in minutes, and values from ``low`` to ``high``."""

    number: int
    title: str
    minutes: float
    low: float
    high: float
    logarithmic: bool = False

    @property
    def top(self) -> float:
        return TOP + self.number * (HEIGHT + GAP)

    def x(self, minute: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * minute / self.minutes

    def y(self, value: float) -> float:
        scale: Callable[[float], float] = math.log10 if self.logarithmic else float
        low, high = scale(self.low), scale(self.high)
        return self.top + HEIGHT * (1 - (scale(max(value, self.low)) - low) / (high - low))

    def ticks(self) -> list[float]:
        if not self.logarithmic:
            return [self.high * part / 4 for part in range(5)]
        return [10.0**power for power in range(round(math.log10(self.high)) + 1)]


def write_plot(record: Record, path: Path) -> None:
    """Draw it into a file."""
    minutes = record.now / 60
    most = max((sample.total or 0 for sample in record.samples), default=1)
    memory = _Panel(0, "resident memory, MB", minutes, 0, math.ceil(most / 500) * 500)
    latency = _Panel(1, "p95 of answers, ms", minutes, 1, 100_000, logarithmic=True)
    height = latency.top + HEIGHT + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}">',
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="white"/>',
        _text(LEFT, 22, _headline(record), size=14),
    ]
    for panel, lines in ((memory, _memory(record)), (latency, _latency(record))):
        parts += [*_axes(panel, record), *_lines(panel, lines)]
    path.write_text("\n".join([*parts, *_losses(latency, record), "</svg>"]) + "\n", "utf-8")


def _headline(record: Record) -> str:
    jobs, lost, wrong = sum(record.jobs.values()), len(record.lost), len(record.wrong)
    return (
        f"{record.now / 60:.0f} minutes, {jobs:,} jobs: {lost} lost, {wrong} wrong, "
        f"{record.own_errors} 5xx of our own; memory from the second quarter to the last "
        f"{record.change:+.1%}"
    )


def _memory(record: Record) -> dict[str, Points]:
    lines: dict[str, Points] = {"all": []}
    for role in ROLES:
        lines[role] = [
            (one.at / 60, one.memory[role]) for one in record.samples if role in one.memory
        ]
    lines["all"] = [(one.at / 60, one.total) for one in record.samples if one.total is not None]
    return lines


def _latency(record: Record) -> dict[str, Points]:
    width = record.now / BUCKETS
    lines: dict[str, Points] = {}
    for number in range(BUCKETS):
        answers, _ = record.between(number * width, (number + 1) * width)
        for kind in sorted(record.jobs):
            times = sorted(one.seconds * 1e3 for one in answers if one.kind == kind)
            if times:
                at = (number + 0.5) * width / 60
                lines.setdefault(kind, []).append((at, percentile(times, 0.95)))
    return lines


def _axes(panel: _Panel, record: Record) -> list[str]:
    bottom, end = panel.top + HEIGHT, WIDTH - RIGHT
    parts = [_text(LEFT, panel.top - 10, panel.title)]
    for value in panel.ticks():
        y = panel.y(value)
        parts.append(f'<line x1="{LEFT}" x2="{end}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e4e4"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{value:,.0f}", anchor="end"))
    for quarter in range(QUARTERS + 1):
        minute = record.length / 60 * quarter / QUARTERS
        x = panel.x(min(minute, panel.minutes))
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{panel.top}" y2="{bottom}" stroke="#bbb"/>'
        )
        parts.append(_text(x, bottom + 16, f"{minute:.3g} min", anchor="middle"))
    kinds = list(dict.fromkeys(what for _, what in record.events))
    for at, what in record.events:
        x, letter = panel.x(at / 60), chr(ord("a") + kinds.index(what))
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{panel.top}" y2="{bottom}" stroke="#ddd" '
            'stroke-dasharray="2 3"/>'
        )
        parts.append(_text(x, bottom + 30, letter, anchor="middle", size=10))
    legend = " · ".join(f"{chr(ord('a') + n)} {kind}" for n, kind in enumerate(kinds))
    parts.append(_text(LEFT, bottom + 46, legend, size=10))
    return parts


def _lines(panel: _Panel, lines: dict[str, Points]) -> list[str]:
    parts = []
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        dash = "" if number < len(COLOURS) else ' stroke-dasharray="5 3"'
        way = " ".join(f"{panel.x(x):.1f},{panel.y(y):.1f}" for x, y in points)
        parts.append(
            f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="1.3"{dash}/>'
        )
        y = panel.top + 12 + 18 * number
        end = WIDTH - RIGHT + 14
        parts.append(
            f'<line x1="{end}" x2="{end + 18}" y1="{y}" y2="{y}" stroke="{colour}"{dash}/>'
        )
        parts.append(_text(end + 24, y + 4, name))
    return parts


def _losses(panel: _Panel, record: Record) -> Sequence[str]:
    return [
        f'<circle cx="{panel.x(at / 60):.1f}" cy="{panel.top + 6}" r="4" fill="#c00"/>'
        for at, _ in [*record.lost, *record.wrong]
    ]


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 12) -> str:
    font = TEXT.replace('"12"', f'"{size}"')
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {font}>{escape(words)}</text>'

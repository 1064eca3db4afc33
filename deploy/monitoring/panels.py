"""A dashboard as values: rows of panels, and the queries behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["stat", "timeseries"]


@dataclass(frozen=True, slots=True)
class Query:
    """What Prometheus is asked, and how its series are named."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. ``unit`` is Grafana's name of it; above ``warn`` a number turns red."""

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    help: str = ""
    kind: Kind = "timeseries"
    width: int = 8
    stacked: bool = False
    warn: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side, under a heading."""

    title: str
    panels: tuple[Panel, ...]


def quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    """The share of a histogram's observations at or below it, as Prometheus computes it."""
    labels = ", ".join(name for name in ("le", by) if name)
    rate = f"rate({metric}_bucket{where}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by ({labels}) ({rate}))"


def rate(metric: str, by: str = "", where: str = "") -> str:
    """What is added to a counter in a second, by labels."""
    grouped = f" by ({by}) " if by else ""
    return f"sum{grouped}(rate({metric}{where}[$__rate_interval]))"


def stages(metric: str, title: str, by: str = "stage") -> Panel:
    """Where the time goes on average, by stage, one above the other."""
    labels, where = by.split(", "), '{job="ai"}'
    return Panel(
        title,
        (
            Query(
                f"{rate(f'{metric}_sum', by, where)} / {rate(f'{metric}_count', by, where)}",
                " ".join(f"{{{{{label}}}}}" for label in labels),
            ),
        ),
        "s",
        "On average, where the time of a request goes in the AI service.",
        stacked=True,
    )

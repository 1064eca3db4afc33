"""Draws the dashboard: ``python -m deploy.monitoring.draw`` writes what Grafana is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deploy.monitoring.panels import Panel, Row
from deploy.monitoring.rows import ROWS

DASHBOARD = Path(__file__).parent / "grafana" / "dashboards" / "immich-aio.json"
SOURCE = {"type": "prometheus", "uid": "prometheus"}
WIDE = 24
HIGH = {"stat": 4, "timeseries": 8}

Json = dict[str, Any]


def dashboard() -> Json:
    """The whole of it, as Grafana's JSON."""
    panels: list[Json] = []
    top = 0
    for row in ROWS:
        drawn, top = _row(row, top, len(panels) + 1)
        panels += drawn
    return {
        "uid": "immich-aio",
        "title": "Immich All-in-One",
        "tags": ["immich"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "panels": panels,
    }


def _row(row: Row, top: int, number: int) -> tuple[list[Json], int]:
    """Its heading and its panels, left to right and line by line; and where the next one begins."""
    heading: Json = {
        "id": number,
        "type": "row",
        "title": row.title,
        "collapsed": False,
        "gridPos": {"h": 1, "w": WIDE, "x": 0, "y": top},
        "panels": [],
    }
    drawn, left, line = [heading], 0, top + 1
    for panel in row.panels:
        if left + panel.width > WIDE:
            left, line = 0, line + HIGH[panel.kind]
        place = {"h": HIGH[panel.kind], "w": panel.width, "x": left, "y": line}
        drawn.append(_panel(panel, place, number + len(drawn)))
        left += panel.width
    return drawn, line + HIGH[row.panels[-1].kind]


def _panel(panel: Panel, place: Json, number: int) -> Json:
    custom: Json = {"fillOpacity": 10, "showPoints": "never"}
    if panel.stacked:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    steps: list[Json] = [{"color": "green", "value": None}]
    if panel.warn is not None:
        steps.append({"color": "red", "value": panel.warn})
    drawn: Json = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.help,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps},
                "custom": custom if panel.kind == "timeseries" else {},
            },
            "overrides": [],
        },
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend,
                "range": True,
            }
            for index, query in enumerate(panel.queries)
        ],
    }
    if panel.kind == "stat":
        drawn["options"] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"}
    else:
        drawn["options"] = {"legend": {"displayMode": "list", "placement": "bottom"}}
    return drawn


def text() -> str:
    """The file as it is committed."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    DASHBOARD.write_text(text())
    print(f"{DASHBOARD}: {sum(len(row.panels) for row in ROWS)} panels")

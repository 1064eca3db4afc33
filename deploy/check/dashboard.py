"""The dashboard, read by the types that Grafana generates from its own schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator

from deploy.monitoring.draw import dashboard


def check() -> str:
    """Read and written again, nothing of it is lost: each key is one that Grafana knows."""
    # They are there for this check alone.
    from grafana_foundation_sdk.cog.encoder import JSONEncoder  # noqa: PLC0415
    from grafana_foundation_sdk.cog.plugins import register_default_plugins  # noqa: PLC0415
    from grafana_foundation_sdk.models.dashboard import Dashboard  # noqa: PLC0415

    register_default_plugins()
    drawn = dashboard()
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(drawn)))
    lost = list(_lost(drawn, again, "dashboard"))
    assert not lost, f"Grafana does not know {', '.join(lost)}"
    return f"Grafana's types know every key of {len(drawn['panels'])} panels and rows"


def _lost(drawn: object, again: object, path: str) -> Iterator[str]:
    if isinstance(drawn, dict):
        there = again if isinstance(again, dict) else {}
        for key, value in drawn.items():
            if key in there:
                yield from _lost(value, there[key], f"{path}.{key}")
            elif value not in (None, "", [], {}):
                yield f"{path}.{key}"
    elif isinstance(drawn, list):
        if not isinstance(again, list) or len(drawn) != len(again):
            yield path
        else:
            for index, (one, other) in enumerate(zip(drawn, again, strict=True)):
                yield from _lost(one, other, f"{path}[{index}]")
    elif drawn != again:
        yield path

"""The configuration that ``serve run`` and ``serve deploy`` take, as ``cluster config`` has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from immich_aio.services.cluster.share import (
    APPLICATION,
    Share,
    serve_deployment,
    serve_ingress,
)

HEAD = """\
# Immich All-in-One on Ray Serve; written by 'immich-aio cluster config', and yours to change.
# The settings that stand here hold on every node. All others come from the environment in which a
# node was started: folders of models, runtimes, precisions, and on the head API_AUTH_KEY.
# After a change: immich-aio cluster serve deploy THIS-FILE. What each option does:
# https://docs.ray.io/en/latest/serve/configure-serve-deployment.html
"""


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """Where the cluster listens, the settings that hold on every node, and who has which share.

    ``import_path`` is the builder that is given ``settings``, the names of the ``engines``, and
    whether callers must know a key that not everybody knows.
    """

    host: str
    port: int
    import_path: str
    settings: Mapping[str, str]
    own_key: bool
    shares: tuple[Share, ...]
    ingresses: int

    @property
    def engines(self) -> tuple[str, ...]:
        """Those that the cluster has, as ``ocr``, ``clip`` and ``faces``."""
        return tuple(dict.fromkeys(share.name.partition("-")[0] for share in self.shares))


def serve_config(plan: ClusterPlan) -> dict[str, Any]:
    """By Ray Serve's own schema (ServeDeploySchema)."""
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": plan.host, "port": plan.port, "keep_alive_timeout_s": 75},
        "applications": [
            {
                "name": APPLICATION,
                "route_prefix": "/",
                "import_path": plan.import_path,
                "args": {
                    "engines": list(plan.engines),
                    "own_key": plan.own_key,
                    "settings": dict(plan.settings),
                },
                "deployments": [serve_ingress(plan.ingresses), *_deployments(plan.shares)],
            }
        ],
    }


def as_yaml(plan: ClusterPlan) -> str:
    """The text of the file."""
    import yaml  # noqa: PLC0415  # it comes with Ray, and the command line must start without

    body = yaml.safe_dump(serve_config(plan), sort_keys=False, allow_unicode=True)
    return f"{HEAD}\n{body}"


def _deployments(shares: Iterable[Share]) -> list[dict[str, Any]]:
    return [serve_deployment(share) for share in shares]

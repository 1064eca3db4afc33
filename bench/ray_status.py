"""Wait until every deployment of a running cluster is as its configuration wants it.

    python -m bench.ray_status NODES

Run in a process of its own, for whoever speaks with Ray has Ray's threads from then on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import ray
from ray import serve

from immich_aio.services.cluster.share import APPLICATION

PATIENCE = 80


def wait(arguments: Sequence[str]) -> None:
    """Return when it is so; the exit status is 1, with the reason, where it will not be."""
    nodes = int(arguments[0])
    ray.init(address="auto", log_to_driver=False, logging_level="warning")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        alive = sum(bool(node["Alive"]) for node in ray.nodes())
        application = serve.status().applications.get(APPLICATION)
        if application is not None and application.status == "DEPLOY_FAILED":
            sys.exit(application.message)
        if alive == nodes and application is not None and application.status == "RUNNING":
            return
        time.sleep(0.2)
    sys.exit(f"not within {PATIENCE} s: {alive} nodes, {application}")


if __name__ == "__main__":
    wait(sys.argv[1:])

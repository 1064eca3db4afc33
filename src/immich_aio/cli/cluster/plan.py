"""From the settings of this machine, and what was asked for, to the cluster's configuration."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from immich_aio.cli.cluster.programs import require_ray
from immich_aio.errors import BadInputError
from immich_aio.services.cluster.config import ClusterPlan, as_yaml
from immich_aio.services.cluster.share import DEPLOYMENTS, DeploymentName, Replicas, Share
from immich_aio.settings import Settings

BUILDER = "immich_aio.cli.cluster.application:build"

ALIKE = (
    "clip_model",
    "recognition_model",
    "accept_faces_license",
    "ocr_side",
    "detection_thresh",
    "max_upload_mb",
    "max_megapixels",
)
"""Always written: every node must give the same answers. The key is not among them, for Ray logs
what it is given; the file only says that there must be one.
"""

WHERE_SET = (
    "clip_download_root",
    "clip_runtime",
    "clip_precision",
    "clip_batch",
    "faces_download_root",
    "faces_runtime",
    "faces_precision",
    "ocr_runtime",
    "model_sources",
    "hf_endpoint",
    "modelscope_endpoint",
    "github_endpoint",
    "model_download",
    "model_wait",
    "model_ttl",
    "log_level",
    "log_format",
)
"""Written where they are set here; otherwise each node may have its own."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for one deployment, as it was written."""

    replicas: str
    cpus: float
    gpus: float


def cluster_plan(
    settings: Settings, wanted: Mapping[DeploymentName, Wanted], ingresses: int
) -> ClusterPlan:
    """Raises BadInputError where no engine is left, or replicas are no number."""
    shares = tuple(
        Share(name, replicas, wanted[name].cpus, wanted[name].gpus)
        for name in DEPLOYMENTS
        if (replicas := Replicas.parse(wanted[name].replicas)).most and _is_set(settings, name)
    )
    names = {share.name for share in shares}
    if not names:
        raise BadInputError("Every engine has 0 replicas: there is nothing to run.")
    if len(names & {"clip-image", "clip-text"}) == 1:
        raise BadInputError("CLIP needs replicas for images and for texts.")
    return ClusterPlan(
        host=settings.host,
        port=settings.http_port,
        import_path=BUILDER,
        settings=shared_settings(settings),
        own_key=not settings.has_well_known_key,
        shares=shares,
        ingresses=ingresses,
    )


def shared_settings(settings: Settings) -> dict[str, str]:
    """Those of this machine that are to hold on every node, by their variables' names."""
    chosen = [*ALIKE, *(name for name in WHERE_SET if name in settings.model_fields_set)]
    values = {name: getattr(settings, name) for name in chosen}
    return {name.upper(): _written(value) for name, value in values.items() if value is not None}


def write(
    settings: Settings,
    wanted: Mapping[DeploymentName, Wanted],
    ingresses: int,
    output: Path | None,
) -> None:
    """Write the configuration to a file, or print it."""
    require_ray()
    text = as_yaml(cluster_plan(settings, wanted, ingresses))
    if settings.has_well_known_key and settings.listens_beyond_loopback:
        sys.stderr.write(
            f"immich-aio: the cluster will listen on {settings.host} with the key that everyone "
            "knows: anyone on the network can use it. Set API_AUTH_KEY.\n"
        )
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise BadInputError(f"{output} cannot be written: {error.strerror}.") from None


def _is_set(settings: Settings, name: DeploymentName) -> bool:
    if name == "faces":
        return settings.faces_from == "here"
    return name == "ocr" or settings.clip_model is not None


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value.absolute() if isinstance(value, Path) else value)

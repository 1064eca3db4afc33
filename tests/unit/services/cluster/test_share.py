"""What a deployment gets of the cluster, as it is written for Ray Serve."""

from __future__ import annotations

import pytest

from immich_aio.errors import BadInputError
from immich_aio.services.cluster.share import Replicas, Share, serve_deployment, serve_ingress


@pytest.mark.parametrize(
    ("written", "least", "most"), [("2", 2, 2), ("1-8", 1, 8), (" 3 ", 3, 3), ("0", 0, 0)]
)
def test_replicas_are_a_number_or_a_range(written: str, least: int, most: int) -> None:
    assert Replicas.parse(written) == Replicas(least, most)


@pytest.mark.parametrize("written", ["", "two", "-1", "8-1", "0-4", "1-", "1-2-3", "1.5"])
def test_what_is_neither_is_refused(written: str) -> None:
    with pytest.raises(BadInputError, match="eplicas"):
        Replicas.parse(written)


def test_a_fixed_number_is_no_autoscaling() -> None:
    written = serve_deployment(Share("ocr", Replicas(2, 2)))
    assert written["num_replicas"] == 2
    assert "autoscaling_config" not in written


def test_a_range_scales_before_replicas_are_full() -> None:
    share = Share("clip-image", Replicas(1, 8))
    written = serve_deployment(share)
    assert "num_replicas" not in written
    scaling = written["autoscaling_config"]
    assert (scaling["min_replicas"], scaling["max_replicas"]) == (1, 8)
    assert 0 < scaling["target_ongoing_requests"] < share.ongoing


def test_each_worker_of_ocr_is_kept_busy_and_a_batch_of_clip_is_filled() -> None:
    assert Share("ocr", Replicas(1, 1), cpus=4).ongoing == 8
    assert Share("faces", Replicas(1, 1), cpus=0.5).ongoing == 2
    assert Share("clip-image", Replicas(1, 1), cpus=4).ongoing == 16


def test_a_lone_ingress_is_replaced_before_it_goes_and_several_stand_on_several_nodes() -> None:
    alone, several = serve_ingress(1), serve_ingress(3)
    assert alone["max_surge_percent"] == 100
    assert (several["num_replicas"], several["max_replicas_per_node"]) == (3, 1)

"""The cluster's configuration: what stands in it, and that Ray Serve takes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from immich_aio.cli.cluster import programs
from immich_aio.cli.cluster.application import build, settings_of
from immich_aio.cli.cluster.plan import Wanted, cluster_plan, write
from immich_aio.errors import BadInputError
from immich_aio.services.cluster.config import as_yaml
from immich_aio.services.cluster.share import DEPLOYMENTS, DeploymentName
from immich_aio.settings import Settings

ALL = {"CLIP_MODEL": "ViT-B-16", "FACES_FROM": "here"}
ONE = Wanted("1", 1, 0)


def settings(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings.load(None)


def wanted(**others: Wanted) -> dict[DeploymentName, Wanted]:
    return {name: others.get(name.replace("-", "_"), ONE) for name in DEPLOYMENTS}


def config(made: Settings, asked: Mapping[DeploymentName, Wanted]) -> dict[str, Any]:
    written: dict[str, Any] = yaml.safe_load(as_yaml(cluster_plan(made, asked, 2)))
    return written


def names(written: dict[str, Any]) -> list[str]:
    (application,) = written["applications"]
    return [deployment["name"] for deployment in application["deployments"]]


@pytest.mark.parametrize("asked", [wanted(), wanted(ocr=Wanted("1-8", 4, 0.25))])
def test_ray_serve_takes_what_is_written(
    asked: dict[DeploymentName, Wanted], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = config(settings(monkeypatch, **ALL), asked)
    taken = ServeDeploySchema.model_validate(written)
    assert taken.applications[0].deployment_names == ["ingress", *DEPLOYMENTS]
    assert taken.model_dump(exclude_unset=True, mode="json").keys() == written.keys()


def test_only_what_this_machine_answers_itself_is_in_the_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert names(config(settings(monkeypatch), wanted())) == ["ingress", "ocr"]
    everything = settings(monkeypatch, **ALL)
    none = Wanted("0", 1, 0)
    assert names(config(everything, wanted(ocr=none, faces=none))) == [
        "ingress",
        "clip-image",
        "clip-text",
    ]


def test_a_cluster_of_nothing_or_of_half_a_model_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    none = Wanted("0", 1, 0)
    with pytest.raises(BadInputError, match="nothing to run"):
        cluster_plan(settings(monkeypatch), wanted(ocr=none), 1)
    with pytest.raises(BadInputError, match="for images and for texts"):
        cluster_plan(settings(monkeypatch, **ALL), wanted(clip_text=none), 1)


def test_it_listens_where_the_ai_service_would(monkeypatch: pytest.MonkeyPatch) -> None:
    written = config(settings(monkeypatch, HOST="10.0.0.5", HTTP_PORT="8061"), wanted())
    assert (written["http_options"]["host"], written["http_options"]["port"]) == ("10.0.0.5", 8061)


def test_settings_that_decide_answers_are_the_same_on_every_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = settings(monkeypatch, **ALL, OCR_SIDE="1280", MODEL_TTL="60")
    arguments = config(here, wanted())["applications"][0]["args"]
    monkeypatch.setenv("CLIP_MODEL", "RN50")
    monkeypatch.setenv("OCR_SIDE", "640")
    monkeypatch.setenv("CLIP_DOWNLOAD_ROOT", "/this/nodes/own")
    there = settings_of(arguments["settings"])
    assert (there.clip_model, there.ocr_side, there.model_ttl) == ("ViT-B-16", 1280, 60)
    assert there.clip_download_root == Path("/this/nodes/own")


def test_a_folder_is_written_so_that_it_is_the_same_from_anywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    here = settings(monkeypatch, CLIP_MODEL="RN50", CLIP_DOWNLOAD_ROOT="shared/clip")
    written = config(here, wanted())["applications"][0]["args"]["settings"]
    assert written["CLIP_DOWNLOAD_ROOT"] == str(tmp_path / "shared" / "clip")


def test_the_key_is_not_written_and_a_head_without_it_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = settings(monkeypatch, API_AUTH_KEY="our own secret")
    text = as_yaml(cluster_plan(here, wanted(), 1))
    assert "our own secret" not in text
    arguments = yaml.safe_load(text)["applications"][0]["args"]
    build(arguments)
    monkeypatch.delenv("API_AUTH_KEY")
    with pytest.raises(BadInputError, match="API_AUTH_KEY is not in the environment"):
        build(arguments)


def test_arguments_that_are_wrong_are_named() -> None:
    with pytest.raises(BadInputError, match="engines"):
        build({"engines": ["ocr", "search"]})
    with pytest.raises(BadInputError, match="OCR_SIDE"):
        build({"settings": {"OCR_SIDE": "wide"}})
    with pytest.raises(BadInputError, match="no setting OCR_SIZE"):
        build({"settings": {"OCR_SIZE": 960}})


def test_a_cluster_that_everybody_can_reach_and_use_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "cluster.yaml"
    write(settings(monkeypatch, HOST="0.0.0.0"), wanted(), 1, file)  # noqa: S104  # what is warned of
    assert "Set API_AUTH_KEY" in capsys.readouterr().err
    assert names(yaml.safe_load(file.read_text())) == ["ingress", "ocr"]


@pytest.mark.parametrize("set_before", [{}, {"RAY_USAGE_STATS_ENABLED": "1"}])
def test_rays_programs_report_to_nobody_and_ask_for_a_token(
    set_before: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in set_before.items():
        monkeypatch.setenv(name, value)
    environment = programs.environment()
    assert environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert environment["RAY_AUTH_MODE"] == "token"

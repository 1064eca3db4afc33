"""The Compose files, as Docker Compose itself merges and resolves them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from deploy.check.compose import (
    BASE,
    DEPLOY,
    Model,
    RefusedError,
    combinations,
    example,
    filled,
    merged,
    program,
)
from deploy.check.tools import said
from immich_aio.settings import Settings

DATA = Path(__file__).parents[2] / "data" / "compose"
ALL = tuple(combinations())
EVERYTHING = max(ALL, key=len)
OURS = ("ai", "companion", "gateway")
CHECKED_BY_THEIR_IMAGE = ("database", "immich-server", "immich-machine-learning")
VARIABLE = re.compile(r"\$\{(\w+)([^}]*)\}")

STOCK = """\
services:
  immich-server:
    image: ghcr.io/immich-app/immich-server:v3
    env_file: [.env]
    volumes: ["${UPLOAD_LOCATION}:/data"]
    ports: ["2283:2283"]
    depends_on: [redis, database]
  immich-machine-learning:
    image: ghcr.io/immich-app/immich-machine-learning:v3
  redis:
    image: docker.io/valkey/valkey:9
  database:
    image: ghcr.io/immich-app/postgres:14-vectorchord0.4.3-pgvectors0.2.0
    environment:
      POSTGRES_PASSWORD: ${DB_PASSWORD}
    volumes: ["${DB_DATA_LOCATION}:/var/lib/postgresql/data"]
"""
"""The names in Immich's own file, to which aio.yaml is added."""


@cache
def everything() -> Model:
    return merged(EVERYTHING, filled())


@cache
def specification() -> Callable[[Model], object]:
    schema = json.loads((DATA / "compose-spec.json").read_text())
    compiled: Callable[[Model], object] = fastjsonschema.compile(schema)
    return compiled


@pytest.mark.parametrize("files", ALL, ids="+".join)
def test_every_choice_of_overlays_merges_to_what_the_specification_allows(
    files: tuple[str, ...],
) -> None:
    specification()(merged(files, filled()))


def test_a_key_that_the_specification_does_not_know_is_refused(tmp_path: Path) -> None:
    """So the test above can fail."""
    model = merged(BASE, filled())
    model["services"]["companion"]["red_only"] = True
    with pytest.raises(fastjsonschema.JsonSchemaException, match="red_only"):
        specification()(model)
    (tmp_path / "wrong.yaml").write_text(json.dumps(model))
    with pytest.raises(RefusedError, match="red_only"):
        merged(["wrong.yaml"], {}, tmp_path)


def test_nothing_but_the_companion_is_published() -> None:
    published = {
        (name, port.get("host_ip", "all"), port["published"])
        for name, service in everything()["services"].items()
        for port in service.get("ports", [])
    }
    assert published == {("companion", "all", "2283"), ("grafana", "127.0.0.1", "3000")}
    assert [
        name
        for name, service in merged(BASE, filled())["services"].items()
        if "ports" in service or service.get("network_mode", "none") != "none"
    ] == ["companion"]


@pytest.mark.parametrize("name", OURS)
def test_our_services_may_do_no_more_than_they_need(name: str) -> None:
    service = everything()["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "cap_add" not in service
    assert not service.get("privileged")


def test_only_what_mounts_the_bucket_has_more_rights_than_its_own_files_need() -> None:
    mighty = {
        name
        for name, service in everything()["services"].items()
        if service.get("cap_add") or service.get("privileged") or service.get("devices")
    }
    assert mighty == {"juicefs", "secrets"}
    maker = everything()["services"]["secrets"]
    assert set(maker["cap_add"]) == {"DAC_OVERRIDE", "FOWNER"}, "of its own folder's files alone"
    assert maker["network_mode"] == "none"


def test_whoever_waits_for_health_waits_for_somebody_who_is_asked() -> None:
    services = everything()["services"]
    for name, service in services.items():
        for other, wait in service.get("depends_on", {}).items():
            asked = "healthcheck" in services[other] or other in CHECKED_BY_THEIR_IMAGE
            assert wait["condition"] != "service_healthy" or asked, (name, other)
            disabled = services[other].get("healthcheck", {}).get("disable")
            assert wait["condition"] != "service_healthy" or not disabled, (name, other)


def test_photos_are_not_touched_before_the_bucket_is_mounted() -> None:
    services = everything()["services"]
    waits = {
        name: wait["condition"] for name, wait in services["immich-server"]["depends_on"].items()
    }
    assert waits["juicefs"] == "service_healthy"
    assert services["juicefs"]["depends_on"]["juicefs-format"]["condition"] == (
        "service_completed_successfully"
    )
    given, taken = (mounts(services[name]) for name in ("juicefs", "immich-server"))
    assert given["/jfs"]["source"] == taken["/data"]["source"]
    assert given["/jfs"]["bind"]["propagation"] == "rshared"
    assert taken["/data"]["bind"]["propagation"] == "rslave"
    assert set(taken) == {"/data", "/secrets/DB_PASSWORD"}
    assert services["immich-server"]["environment"]["IMMICH_MEDIA_LOCATION"] == "/data/photos"


def test_the_database_stays_on_the_local_disk() -> None:
    with_s3, without = everything()["services"], merged(BASE, filled())["services"]
    assert with_s3["database"]["volumes"] == without["database"]["volumes"]
    bucket = mounts(with_s3["juicefs"])["/jfs"]["source"]
    assert not any(volume["source"].startswith(bucket) for volume in with_s3["database"]["volumes"])


def test_the_database_has_as_much_memory_as_was_asked_for_a_large_library() -> None:
    files = (*BASE, "large.yaml")
    for variables, wanted in [({"DB_SHARED_BUFFERS": "6GB"}, "6GB"), ({}, "4GB")]:
        command = merged(files, filled() | variables)["services"]["database"]["command"]
        assert command[0] == "postgres"
        assert f"shared_buffers={wanted}" in command
    assert merged(BASE, filled())["services"]["database"].get("command") is None


def test_every_image_is_of_a_version() -> None:
    for name, service in everything()["services"].items():
        tag = service["image"].rpartition(":")[2]
        ours = "build" in service
        assert ours or re.match(r"(v|ce-v)?\d|[0-9a-f]{64}$", tag), f"{name}: {service['image']}"


def test_every_variable_is_explained_or_has_a_default() -> None:
    used = [found for file in DEPLOY.glob("*.yaml") for found in VARIABLE.findall(file.read_text())]
    explained = set(example())
    missing = {
        name for name, rest in used if name not in explained and not rest.startswith((":-", "-"))
    }
    assert missing == set()
    compose_itself = {name for name in explained if name.startswith("COMPOSE_")}
    assert explained - {name for name, _ in used} - compose_itself == set()


@pytest.mark.parametrize("name", OURS)
def test_what_our_services_are_given_are_their_settings(name: str) -> None:
    given = {key.lower(): value for key, value in environment_of(name).items() if value != ""}
    given |= {key.removesuffix("_file"): "the secret" for key in given if key.endswith("_file")}
    known = {*Settings.model_fields, *(f"{field}_file" for field in Settings.model_fields)}
    assert set(given) - known - {"health_url"} == set()
    Settings.model_validate(given)


def test_one_file_is_all_that_is_added_to_an_immich_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text(STOCK)
    theirs = {"DB_PASSWORD": "theirs", "UPLOAD_LOCATION": "./l", "DB_DATA_LOCATION": "./p"}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in theirs.items()))
    variables = {**theirs, "AIO_SOURCE": "./immich-aio"}
    before = merged(["docker-compose.yml"], variables, tmp_path)["services"]
    model = merged(["docker-compose.yml", DEPLOY / "aio.yaml"], variables, tmp_path)
    specification()(model)
    services = model["services"]
    assert set(services) - set(before) == {*OURS, "secrets"}
    assert services["companion"]["ports"][0]["published"] == "2284"
    assert services["companion"]["build"]["context"] == "./immich-aio"
    assert services["secrets"]["environment"] == {
        "SECRET_DB_PASSWORD": theirs["DB_PASSWORD"],
        "SECRET_API_AUTH_KEY": "",
    }
    for name in ("immich-machine-learning", "redis", "database"):
        assert services[name] == before[name]
    assert services["immich-server"]["environment"]["IMMICH_MACHINE_LEARNING_URL"] == (
        "http://gateway:8080"
    )
    assert services["immich-server"]["ports"] == before["immich-server"]["ports"]


def test_the_guides_lines_for_an_immich_that_is_there_suffice(tmp_path: Path) -> None:
    """Also where the last line of .env has no end."""
    (tmp_path / "docker-compose.yml").write_text(STOCK)
    (tmp_path / ".env").write_text("UPLOAD_LOCATION=./l\nDB_DATA_LOCATION=./p\nDB_PASSWORD=theirs")
    (tmp_path / "immich-aio").symlink_to(DEPLOY.parent)
    (line,) = re.findall(
        r"^printf .*AIO_SOURCE.*$", (DEPLOY.parent / "docs/deployment.md").read_text(), re.MULTILINE
    )
    said("sh", "-ec", line, cwd=tmp_path)
    services = said(*program(), "config", "--services", cwd=tmp_path).split()
    assert {*OURS, "secrets", "immich-server", "database", "redis"} <= set(services)


def test_the_password_of_a_database_that_is_there_is_asked_for_not_made_up(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text(STOCK)
    with pytest.raises(RefusedError, match=r"DB_PASSWORD is missing .* password of your database"):
        merged(
            ["docker-compose.yml", DEPLOY / "aio.yaml"],
            {"UPLOAD_LOCATION": "./l", "DB_DATA_LOCATION": "./p"},
            tmp_path,
        )


def mounts(service: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {volume["target"]: volume for volume in service["volumes"]}


def environment_of(name: str) -> dict[str, str]:
    environment: dict[str, str] = everything()["services"][name]["environment"]
    return environment

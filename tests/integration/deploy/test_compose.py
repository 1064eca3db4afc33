"""The Compose files, as Docker Compose itself merges and resolves them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from deploy.check.compose import (
    BASE,
    DEPLOY,
    SECRETS,
    Model,
    RefusedError,
    combinations,
    example,
    filled,
    merged,
)
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


@pytest.mark.parametrize("name", SECRETS)
def test_without_a_secret_nothing_starts_and_the_message_names_it(name: str) -> None:
    with pytest.raises(RefusedError, match=f"{name} is missing a value: .*is empty"):
        merged(EVERYTHING, filled() | {name: ""})


def test_a_copy_of_the_example_needs_no_more_than_its_secrets(tmp_path: Path) -> None:
    """``cp example.env .env && ./secrets.sh && docker compose up -d``"""
    env = a_users_folder(tmp_path)
    (tmp_path / ".env").write_text((DEPLOY / "example.env").read_text())
    said = subprocess.run(
        ["./secrets.sh"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "Filled: DB_PASSWORD API_AUTH_KEY GRAFANA_PASSWORD" in said.stdout
    made = variables_of(env)
    files = made["COMPOSE_FILE"].split(made["COMPOSE_PATH_SEPARATOR"])
    assert set(merged(files, made)["services"]) == {
        *OURS,
        *CHECKED_BY_THEIR_IMAGE,
        "redis",
    }


def test_secrets_are_random_and_what_was_set_stays(tmp_path: Path) -> None:
    env = a_users_folder(tmp_path)
    seen = set()
    for _ in range(2):
        env.write_text("DB_PASSWORD=\nAPI_AUTH_KEY=mine\nTZ=\n")
        subprocess.run(["./secrets.sh"], cwd=tmp_path, check=True, capture_output=True)
        made = variables_of(env)
        assert made["API_AUTH_KEY"] == "mine"
        assert made["TZ"] == ""
        assert re.fullmatch("[0-9a-f]{48}", made["DB_PASSWORD"])
        assert env.stat().st_mode & 0o777 == 0o600
        seen.add(made["DB_PASSWORD"])
    assert len(seen) == 2


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
        if "ports" in service or service.get("network_mode")
    ] == ["companion"]


def test_no_secret_stands_in_a_file() -> None:
    assert {name for name in SECRETS if example()[name]} == set()
    for file in DEPLOY.glob("*.yaml"):
        for line in file.read_text().splitlines():
            name, _, value = line.strip().partition(": ")
            if re.search("PASSWORD|SECRET|_KEY$", name) and not name.startswith("#"):
                assert VARIABLE.fullmatch(value.strip()), f"{file.name}: {line}"


@pytest.mark.parametrize("name", OURS)
def test_our_services_may_do_no_more_than_they_need(name: str) -> None:
    service = everything()["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "cap_add" not in service
    assert not service.get("privileged")


def test_only_what_mounts_the_bucket_has_rights_of_the_machine() -> None:
    mighty = {
        name
        for name, service in everything()["services"].items()
        if service.get("cap_add") or service.get("privileged") or service.get("devices")
    }
    assert mighty == {"juicefs"}


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
    assert set(taken) == {"/data"}
    assert services["immich-server"]["environment"]["IMMICH_MEDIA_LOCATION"] == "/data/photos"


def test_the_database_stays_on_the_local_disk() -> None:
    with_s3, without = everything()["services"], merged(BASE, filled())["services"]
    assert with_s3["database"]["volumes"] == without["database"]["volumes"]
    bucket = mounts(with_s3["juicefs"])["/jfs"]["source"]
    assert not any(volume["source"].startswith(bucket) for volume in with_s3["database"]["volumes"])


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
    given = set(everything()["services"][name]["environment"]) - {"HEALTH_URL"}
    assert given - {field.upper() for field in Settings.model_fields} == set()
    Settings.model_validate(
        {key.lower(): value for key, value in environment_of(name).items() if value != ""}
    )


def test_one_file_is_all_that_is_added_to_an_immich_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text(STOCK)
    theirs = {"DB_PASSWORD": "theirs", "UPLOAD_LOCATION": "./l", "DB_DATA_LOCATION": "./p"}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in theirs.items()))
    variables = {**theirs, "AIO_SOURCE": "./immich-aio", "API_AUTH_KEY": "new"}
    before = merged(["docker-compose.yml"], variables, tmp_path)["services"]
    model = merged(["docker-compose.yml", DEPLOY / "aio.yaml"], variables, tmp_path)
    specification()(model)
    services = model["services"]
    assert set(services) - set(before) == set(OURS)
    assert services["companion"]["ports"][0]["published"] == "2284"
    assert services["companion"]["build"]["context"] == "./immich-aio"
    assert services["companion"]["environment"]["DB_PASSWORD"] == theirs["DB_PASSWORD"]
    for name in ("immich-machine-learning", "redis", "database"):
        assert services[name] == before[name]
    assert services["immich-server"]["environment"]["IMMICH_MACHINE_LEARNING_URL"] == (
        "http://gateway:8080"
    )
    assert services["immich-server"]["ports"] == before["immich-server"]["ports"]


def mounts(service: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {volume["target"]: volume for volume in service["volumes"]}


def environment_of(name: str) -> dict[str, str]:
    environment: dict[str, str] = everything()["services"][name]["environment"]
    return environment


def a_users_folder(folder: Path) -> Path:
    for name in ("secrets.sh", *(file.name for file in DEPLOY.glob("*.yaml"))):
        (folder / name).write_bytes((DEPLOY / name).read_bytes())
    (folder / "secrets.sh").chmod(0o755)
    return folder / ".env"


def variables_of(env: Path) -> dict[str, str]:
    lines = (line for line in env.read_text().splitlines() if line and line[0] != "#")
    return dict(line.split("=", 1) for line in lines)

"""The Dockerfile fits the package, and what Compose builds of it."""

from __future__ import annotations

import re
import tomllib

import pytest

from deploy.check import images
from deploy.check.compose import BASE, DEPLOY, filled, merged
from deploy.check.services import PORTS

TARGETS = ("slim", "cpu", "cuda")
ROOT = DEPLOY.parent


def runs(target: str) -> str:
    return "\n".join(
        rest
        for stage in images.lineage(f"builder-{target}")
        for word, rest in stage.instructions
        if word == "RUN"
    )


@pytest.mark.parametrize(
    ("target", "extra"), [("slim", "companion"), ("cpu", "cpu"), ("cuda", "cuda")]
)
def test_an_image_installs_one_extra_from_the_pins(target: str, extra: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert re.findall(r"\.whl\)\[([\w,]+)\]", runs(target)) == [extra]
    assert extra in project["optional-dependencies"]
    installs = [line for line in runs(target).splitlines() if "pip install" in line]
    pins = {"cuda": "constraints-cuda.txt"}.get(target, "constraints.txt")
    assert f"--constraint {pins}" in installs[-1]
    assert all("--constraint constraints" in line for line in installs)


def test_the_pins_for_cuda_are_the_others_and_more() -> None:
    assert "-c constraints.txt" in (ROOT / "constraints-cuda.txt").read_text().splitlines()


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_does_not_run_as_root(target: str) -> None:
    users = [
        rest
        for stage in images.lineage(target)
        for word, rest in stage.instructions
        if word == "USER"
    ]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


@pytest.mark.parametrize("name", PORTS)
def test_a_service_is_asked_for_its_health_at_its_own_port(name: str) -> None:
    for files in (BASE, (*BASE, "cuda.yaml")):
        service = merged(files, filled())["services"][name]
        given = images.environment(service["build"]["target"]) | service["environment"]
        assert given["HEALTH_URL"].startswith(f"http://127.0.0.1:{PORTS[name][0]}/")


def test_what_an_image_copies_is_let_through() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for stage in images.stages().values():
        for word, rest in stage.instructions:
            if word == "COPY" and not rest.startswith("--from"):
                for source in rest.split()[:-1]:
                    assert f"!{source.removeprefix('./')}" in ignored
                    assert (ROOT / source).exists()

"""What linters say of the Dockerfiles, the scripts and the systemd unit."""

from __future__ import annotations

import tempfile
from pathlib import Path

from deploy.check.compose import BASE, DEPLOY, filled, merged
from deploy.check.tools import said, tool


def dockerfiles() -> str:
    """By hadolint."""
    files = sorted(DEPLOY.glob("Dockerfile*"))
    checked = [file for file in files if file.suffix != ".dockerignore"]
    said(tool("hadolint"), "--failure-threshold", "style", *checked)
    return f"hadolint finds nothing in {', '.join(file.name for file in checked)}"


def scripts() -> str:
    """By shellcheck; also what a service of Compose does in the shell."""
    said(tool("shellcheck"), DEPLOY.parent / "aio")
    service = merged((*BASE, "s3.yaml"), filled())["services"]["juicefs-database"]
    with tempfile.TemporaryDirectory() as made:
        file = Path(made) / "juicefs-database"
        file.write_text(service["command"][0].replace("$$", "$"))
        said(tool("shellcheck"), "--shell=sh", file)
    return "shellcheck finds nothing in aio, juicefs-database"


def units() -> str:
    """By systemd itself, with a program that is there in place of ours."""
    unit = (DEPLOY / "systemd" / "immich-aio@.service").read_text()
    here = unit.replace("/opt/immich-aio/bin/immich-aio", tool("true"))
    assert here != unit
    with tempfile.TemporaryDirectory() as made:
        for instance in ("companion", r"gateway\x2cai"):
            file = Path(made) / f"immich-aio@{instance}.service"
            file.write_text(here)
            said(tool("systemd-analyze"), "verify", "--man=no", file)
        rating = said(tool("systemd-analyze"), "security", "--offline=true", file).splitlines()[-1]
    return rating.strip(" →")

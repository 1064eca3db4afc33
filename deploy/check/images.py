"""The Dockerfiles, read as far as it takes to do without an engine what they say."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from deploy.check.compose import DEPLOY
from deploy.check.tools import said

ROOT = DEPLOY.parent
VENV = "/opt/immich-aio"
WHEELS = "/wheels"


@dataclass(slots=True)
class Stage:
    """One ``FROM``: what it begins with, and its instructions in order."""

    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)


@cache
def stages(file: Path = DEPLOY / "Dockerfile") -> dict[str, Stage]:
    """The stages by name; the last one has the name ``""`` where it is given none."""
    found: dict[str, Stage] = {}
    for word, rest in _instructions(file.read_text()):
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found[name] = Stage(name, base)
        elif found:
            list(found.values())[-1].instructions.append((word, rest))
    return found


def lineage(target: str) -> list[Stage]:
    """A stage and those that it is made of, the first one first."""
    stage = stages().get(target)
    return [] if stage is None else [*lineage(stage.base), stage]


def environment(target: str) -> dict[str, str]:
    """What ENV sets in an image."""
    pairs = (
        word.split("=", 1)
        for stage in lineage(target)
        for name, rest in stage.instructions
        if name == "ENV"
        for word in shlex.split(rest)
    )
    return dict(pairs)


def command(target: str) -> list[str]:
    """ENTRYPOINT, and CMD."""
    last = {name: rest for stage in lineage(target) for name, rest in stage.instructions}
    return [*json.loads(last["ENTRYPOINT"]), *json.loads(last["CMD"])]


def install(target: str, folder: Path) -> Path:
    """Do what ``builder-TARGET`` does, in ``folder``; the virtual environment that it makes.

    Raises AssertionError with what a step printed, where it fails.
    """
    places = {VENV: folder / "venv", WHEELS: folder / "wheels", "python3": Path(sys.executable)}
    for stage in lineage(f"builder-{target}"):
        for word, rest in stage.instructions:
            if word == "RUN":
                variables = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
                said("/bin/sh", "-ec", _moved(rest, places), cwd=ROOT, **variables)
    return places[VENV]


def _moved(line: str, places: dict[str, Path]) -> str:
    line = re.sub(r"--mount=\S+\s+", "", line)
    for place, here in places.items():
        line = re.sub(rf"(?<![\w/.-]){re.escape(place)}(?![\w-])", str(here), line)
    return line


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    for line in joined.splitlines():
        word, _, rest = line.partition(" ")
        yield word, rest.strip()

"""The secrets: who is given which, and the service that makes them, run as Compose runs it."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from deploy.check.compose import DEPLOY, Model, combinations, example, filled, merged
from deploy.check.tools import said

MAKER = "secrets"
HERE = "/secrets/"
"""Where a container finds them."""

_PLACES = {
    "python3": sys.executable,
    "/usr/local/lib/secret_files.py": str(DEPLOY / "secret_files.py"),
}


def run(model: Model, folder: Path, *command: str) -> str:
    """What the service prints, with ``folder`` as the folder of secrets."""
    service = model["services"][MAKER]
    words = [*service["entrypoint"], *(command or service["command"])]
    there = {**service["environment"], "SECRETS_FOLDER": str(folder)}
    return said(*(_PLACES.get(word, word) for word in words), **there)


def read_by(model: Model) -> dict[str, set[str]]:
    """The secrets that each service is given, by what it mounts."""
    return {
        name: {
            volume["target"].removeprefix(HERE)
            for volume in service.get("volumes", [])
            if volume["target"].startswith(HERE)
        }
        for name, service in model["services"].items()
        if name != MAKER
    }


def check() -> str:
    """Without a value in .env nothing lacks one; each reader has its file when it starts."""
    everything: set[str] = set()
    for files in combinations():
        model = merged(files, example() | _bucket())
        made = {name.removeprefix("SECRET_") for name in model["services"][MAKER]["environment"]}
        for name, secrets in read_by(model).items():
            _reads_what_is_made(name, model, made)
            everything |= secrets
    with tempfile.TemporaryDirectory(prefix="aio-secrets-") as folder:
        _made_once(files, Path(folder) / "secrets")
    return f"a copy of example.env suffices; made once and kept: {', '.join(sorted(everything))}"


def _bucket() -> dict[str, str]:
    """A bucket and its keys are the user's."""
    return {name: value for name, value in filled().items() if name.startswith("S3_")}


def _reads_what_is_made(name: str, model: Model, made: set[str]) -> None:
    service = model["services"][name]
    mounted = read_by(model)[name]
    assert mounted <= made, f"{name} is given {mounted - made}, which nobody makes"
    named = set(re.findall(rf"{HERE}(\w+)/value", str(service)))
    assert named == mounted, f"{name} reads {named}, and is given {mounted}"
    if mounted:
        waits = {other: wait["condition"] for other, wait in service["depends_on"].items()}
        assert MAKER in waits or _waits_by(name, model), f"{name} does not wait for {MAKER}"
        assert waits.get(MAKER, _DONE) == _DONE


_DONE = "service_completed_successfully"


def _waits_by(name: str, model: Model) -> bool:
    """Whether another one for which it waits has waited."""
    before = model["services"][name].get("depends_on", {})
    return MAKER in before or any(_waits_by(other, model) for other in before)


def _made_once(files: tuple[str, ...], folder: Path) -> None:
    model = merged(files, example() | _bucket())
    first = run(model, folder)
    shown = run(model, folder, "show")
    again = run(model, folder)
    assert first.count(": random") == len(shown.splitlines()) == again.count(": as it was")
    assert run(model, folder, "show") == shown
    given = merged(files, example() | _bucket() | {"DB_PASSWORD": "mine"})
    assert "DB_PASSWORD: changed to what .env has" in run(given, folder)
    for later in (given, model):
        run(later, folder)
        assert run(later, folder, "show", "DB_PASSWORD") == "mine\n"

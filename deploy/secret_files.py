"""Keeps each secret of the stack in a file, from which the services that need it read it.

make           what .env gives is written; what it leaves empty is random at first, and then stays
show           all of them, as .env takes them
show NAME …    the bare values of these

There is a secret for every variable ``SECRET_NAME``. Each file has a folder of its own, so that a
service is given what it needs and nothing else.
"""

import contextlib
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

FOLDER = Path(os.environ.get("SECRETS_FOLDER", "/secrets"))
GIVEN = {
    name.removeprefix("SECRET_"): value
    for name, value in sorted(os.environ.items())
    if name.startswith("SECRET_")
}
BYTES = 24

ONLY_ROOT, READERS, ALL_READ = 0o700, 0o755, 0o444
"""Nobody else on this machine comes into the folder. A container sees a folder within it, and may
read the file in there as whatever user it is: its mode is that of Docker's own secrets.
"""


def make() -> None:
    """Give every secret its file, and say for each where its value is from."""
    for name, given in GIVEN.items():
        print(f"{name}: {_made(name, given)}")


def show(names: Sequence[str]) -> None:
    """Print the secrets of these names, or all with their names before them."""
    for name in names or GIVEN:
        value = _read(name)
        if value is None:
            sys.exit(f"There is no secret {name}; there are: {', '.join(GIVEN)}.")
        print(value if names else f"{name}={value}")


def _made(name: str, given: str) -> str:
    if len(given.splitlines()) > 1:
        sys.exit(f"{name} has a line break in .env: give it a value of one line.")
    there = _read(name)
    if there is None:
        _write(name, given or secrets.token_hex(BYTES))
        return "as .env has it" if given else "random"
    if given in ("", there):
        return "as it was"
    _write(name, given)
    return "changed to what .env has"


def _read(name: str) -> str | None:
    try:
        return _file(name).read_text("utf-8")
    except FileNotFoundError:
        return None


def _write(name: str, value: str) -> None:
    """All of it or nothing, whatever happens meanwhile."""
    file = _file(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, delete=False) as written:
        written.write(value)
        written.flush()
        os.fsync(written.fileno())
    made = Path(written.name)
    # Where the file system knows no modes, they are as it gives them.
    with contextlib.suppress(PermissionError):
        FOLDER.chmod(ONLY_ROOT)
        file.parent.chmod(READERS)
        made.chmod(ALL_READ)
    made.replace(file)


def _file(name: str) -> Path:
    return FOLDER / name / "value"


if __name__ == "__main__":
    try:
        match sys.argv[1:]:
            case ["make"]:
                make()
            case ["show", *chosen]:
                show(chosen)
            case _:
                sys.exit(__doc__)
    except OSError as error:
        sys.exit(f"The folder of secrets (AIO_SECRETS): {error.filename}: {error.strerror}.")

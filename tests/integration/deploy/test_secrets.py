"""Secrets: a copy of example.env suffices, and nothing has a default password."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from psycopg import AsyncConnection, OperationalError

from deploy.check import secret_files
from deploy.check.compose import BASE, DEPLOY, SECRETS, Model, combinations, example, filled, merged
from deploy.check.tools import psql, said
from immich_aio.services.sandbox.embedded.postgres import Postgres

ALL = tuple(combinations())
EVERYTHING = max(ALL, key=len)
MAKER = DEPLOY / "secret_files.py"
READERS = {
    "ai": {"API_AUTH_KEY"},
    "gateway": {"API_AUTH_KEY"},
    "companion": {"DB_PASSWORD"},
    "immich-server": {"DB_PASSWORD"},
    "database": {"DB_PASSWORD"},
    "juicefs-database": {"DB_PASSWORD"},
    "juicefs-format": {"DB_PASSWORD"},
    "juicefs": {"DB_PASSWORD"},
    "grafana": {"GRAFANA_PASSWORD"},
}


def with_everything(given: Mapping[str, str] | None = None) -> Model:
    """All overlays, with these secrets in .env."""
    return merged(EVERYTHING, filled() | dict.fromkeys(SECRETS, "") | dict(given or {}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "secrets"


def value(folder: Path, name: str) -> str:
    return (folder / name / "value").read_text()


def written(folder: Path) -> set[tuple[Path, int, int]]:
    """Which files there are, and when each was written."""
    states = [(path, path.stat()) for path in folder.rglob("*")]
    return {(path, state.st_ino, state.st_mtime_ns) for path, state in states}


def test_a_copy_of_the_example_needs_no_change() -> None:
    """``cp example.env .env && docker compose up -d``"""
    made = example()
    files = made["COMPOSE_FILE"].split(made["COMPOSE_PATH_SEPARATOR"])
    assert set(merged(files, made)["services"]) == {
        *("secrets", "companion", "gateway", "ai"),
        *("immich-server", "immich-machine-learning", "redis", "database"),
    }
    assert {name for name in SECRETS if made[name]} == set()


def test_what_reads_and_what_makes_secrets_fit_in_every_choice_of_overlays() -> None:
    assert "API_AUTH_KEY, DB_PASSWORD, GRAFANA_PASSWORD" in secret_files.check()


def test_a_service_is_given_the_secrets_that_it_needs_and_no_other() -> None:
    given = secret_files.read_by(with_everything())
    assert {name: names for name, names in given.items() if names} == READERS


def test_no_service_but_the_maker_of_files_has_a_secret_in_its_environment() -> None:
    services = with_everything({name: f"hush-{name}" for name in SECRETS})["services"]
    assert {name for name, service in services.items() if "hush" in str(service)} == {"secrets"}


def test_what_is_taken_for_a_secret_in_a_file_is_a_variable_or_the_name_of_a_file() -> None:
    for file in DEPLOY.glob("*.yaml"):
        for line in file.read_text().splitlines():
            name, _, given = line.strip().partition(": ")
            if re.fullmatch(r"\w*(PASSWORD|SECRET|_KEY)\w*", name):
                assert re.match(r"\$\{|/secrets/", given), f"{file.name}: {line}"


def test_each_secret_is_random_and_is_made_once(tmp_path: Path) -> None:
    model = with_everything()
    places = [tmp_path / "one", tmp_path / "other"]
    for place in places:
        assert secret_files.run(model, place).splitlines() == [
            f"{name}: random" for name in sorted(SECRETS)
        ]
    made = [value(place, name) for place in places for name in SECRETS]
    assert len(set(made)) == 6
    assert all(re.fullmatch("[0-9a-f]{48}", secret) for secret in made)
    before = written(places[0])
    assert secret_files.run(model, places[0]).count(": as it was") == 3
    assert written(places[0]) == before


def test_what_is_set_in_env_wins_also_later_and_stays_when_it_is_emptied(folder: Path) -> None:
    secret_files.run(with_everything({"API_AUTH_KEY": "mine"}), folder)
    assert value(folder, "API_AUTH_KEY") == "mine"
    random = value(folder, "DB_PASSWORD")
    said = secret_files.run(with_everything({"DB_PASSWORD": "其后"}), folder)
    assert "DB_PASSWORD: changed to what .env has" in said
    assert "API_AUTH_KEY: as it was" in said
    secret_files.run(with_everything(), folder)
    assert value(folder, "API_AUTH_KEY") == "mine"
    assert value(folder, "DB_PASSWORD") == "其后"
    assert random not in said


def test_only_root_comes_into_the_folder_and_every_reader_reads_its_file(folder: Path) -> None:
    secret_files.run(with_everything(), folder)
    modes = {
        str(path.relative_to(folder.parent)): path.stat().st_mode & 0o777
        for path in (folder, *folder.rglob("*"))
    }
    assert modes["secrets"] == 0o700
    assert modes["secrets/DB_PASSWORD"] == 0o755
    assert modes["secrets/DB_PASSWORD/value"] == 0o444
    assert len(modes) == 7, "nothing else is left behind"


def test_secrets_are_shown_by_name_or_as_env_takes_them(folder: Path) -> None:
    model = with_everything()
    secret_files.run(model, folder)
    password = value(folder, "GRAFANA_PASSWORD")
    assert secret_files.run(model, folder, "show", "GRAFANA_PASSWORD") == f"{password}\n"
    assert secret_files.run(model, folder, "show").splitlines() == [
        f"{name}={value(folder, name)}" for name in sorted(SECRETS)
    ]
    with pytest.raises(
        AssertionError, match=r"no secret GRAFANA; there are: API_AUTH_KEY, DB_PASS"
    ):
        secret_files.run(model, folder, "show", "GRAFANA")
    with pytest.raises(AssertionError, match=r"show NAME …"):
        secret_files.run(model, folder, "shwo")


def test_a_folder_that_cannot_be_written_is_named_and_nothing_half_made_is_read(
    tmp_path: Path,
) -> None:
    (tmp_path / "secrets").write_text("no folder")
    with pytest.raises(AssertionError, match=r"\(AIO_SECRETS\): .*/secrets"):
        secret_files.run(merged(BASE, example()), tmp_path / "secrets")


def test_a_value_of_two_lines_is_refused_before_somebody_reads_half_of_it(folder: Path) -> None:
    with pytest.raises(AssertionError, match="DB_PASSWORD has a line break") as found:
        secret_files.run(with_everything({"DB_PASSWORD": "hush\nhush"}), folder)
    assert "hush" not in str(found.value)
    assert not (folder / "DB_PASSWORD").exists()


async def test_the_guide_gives_a_database_the_password_that_is_in_the_file(
    folder: Path, postgres: Postgres
) -> None:
    """The same in both languages; here by a role with a password, not by one that needs none."""
    role = ("CREATE ROLE rotated LOGIN PASSWORD 'before'", "DROP ROLE rotated")
    secret_files.run(with_everything({"DB_PASSWORD": 'a$b`c"d'}), folder)
    (command,) = {
        line
        for page in ("deployment.md", "deployment.zh.md")
        for line in re.findall(
            r"^docker compose exec database sh -c '(.*?)'$",
            (DEPLOY.parent / "docs" / page).read_text(),
            re.MULTILINE | re.DOTALL,
        )
    }
    variables = {
        "POSTGRES_USER": "rotated",
        "PGPASSWORD": "before",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "PATH": f"{psql().parent}:/usr/bin:/bin",
    }
    async with await AsyncConnection.connect(postgres.url("postgres"), autocommit=True) as admin:
        await admin.execute(role[0])
        try:
            said("sh", "-c", command.replace("/secrets", str(folder)), **variables)
            address = f"host=127.0.0.1 port={postgres.port} dbname=postgres user=rotated"
            with pytest.raises(OperationalError, match="password"):
                await AsyncConnection.connect(address, password="before")  # noqa: S106
            now = value(folder, "DB_PASSWORD")
            await (await AsyncConnection.connect(address, password=now)).close()
        finally:
            await admin.execute(role[1])


def test_the_maker_of_secrets_needs_nothing_but_python() -> None:
    """It runs with -S: no package of ours, or of anybody, is looked for."""
    service = with_everything()["services"]["secrets"]
    assert service["entrypoint"] == ["python3", "-S", "/usr/local/lib/secret_files.py"]
    imported = re.findall(r"^(?:from|import) (\w+)", MAKER.read_text(), re.MULTILINE)
    assert imported
    assert set(imported) <= sys.stdlib_module_names

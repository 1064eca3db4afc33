"""SQL by name: for each shape, as psycopg takes it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from immich_aio.domain.immich import Shape
from immich_aio.errors import InternalError
from immich_aio.store.named_sql import NamedSql

FILE = """-- About this file.

-- name: one
-- A comment that does not go along.
SELECT '100%' AS share, :name::text, now()::timestamptz FROM t WHERE id = any(:ids)

-- name: two
SELECT new

-- name: two @2.2
SELECT old;
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "queries.sql"
    path.write_text(FILE)
    return path


def test_parameters_and_percent_signs_are_as_psycopg_takes_them(file: Path) -> None:
    sql = NamedSql(file, Shape.V3_1)["one"]
    wanted = "SELECT '100%%' AS share, %(name)s::text, now()::timestamptz FROM t "
    assert sql == wanted + "WHERE id = any(%(ids)s)"


def test_a_shape_has_its_own_statement_where_there_is_one(file: Path) -> None:
    new, old = NamedSql(file, Shape.V3_1), NamedSql(file, Shape.V2_2)
    assert (new["two"], old["two"]) == ("SELECT new", "SELECT old")
    assert list(new) == list(old) == ["one", "two"]
    assert len(new) == 2


def test_a_name_that_is_not_there_is_named_with_its_file(file: Path) -> None:
    sql = NamedSql(file, Shape.V3_1)
    assert "three" not in sql
    with pytest.raises(InternalError, match=r"queries\.sql has no statement named three"):
        sql["three"]


@pytest.mark.parametrize("shape", list(Shape))
@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("immich_aio.store", "asset_search.sql"),
        ("immich_aio.services.sandbox.sql", "queries.sql"),
        ("immich_aio.services.sandbox.sql", "samples.sql"),
        ("immich_aio.services.sandbox.sql", "synthetic.sql"),
    ],
)
def test_no_statement_of_ours_is_empty_or_given_twice(
    package: str, name: str, shape: Shape
) -> None:
    parts = package.rpartition(".sql")
    folder = resources.files(parts[0] or package)
    file = (folder / "sql" / name) if parts[0] else (folder / name)
    sql = NamedSql(file, shape)
    assert all(sql.values())
    headings = [
        line for line in file.read_text("utf-8").splitlines() if line.startswith("-- name:")
    ]
    assert len(headings) == len(set(headings))

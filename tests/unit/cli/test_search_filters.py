"""Options of the command line become Immich's filters, with Immich's meaning."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import typer
from typer.testing import CliRunner

from immich_aio.cli.search_filters import OPTIONS, immich_filters, with_filters
from immich_aio.domain.asset_search import UNSET, AssetFilters
from immich_aio.domain.immich import AssetType, Shape, Visibility
from immich_aio.errors import BadInputError

ID = "2f9a6f5e-24b5-4d2a-9f0b-1c5a9e1d7a11"
OTHER = "7b1c2d3e-1111-4222-8333-444455556666"
NEW, OLD = Shape.V3_1, Shape.V2_2
MAY = datetime(2026, 5, 1, tzinfo=UTC)
CASES: list[tuple[list[str], dict[str, object]]] = [
    ([], {}),
    (["--type", "video"], {"type": AssetType.VIDEO}),
    (["--city", "上海"], {"city": "上海"}),
    (["--city", ""], {"city": None}),
    (["--state", "", "--country", ""], {"state": None, "country": None}),
    (
        ["--make", "", "--model", "X", "--lens", ""],
        {"make": None, "model": "X", "lens_model": None},
    ),
    (["--rating", "4"], {"rating": 4}),
    (["--album", ID, "--album", OTHER], {"album_ids": (UUID(ID), UUID(OTHER))}),
    (["--person", ID], {"person_ids": (UUID(ID),)}),
    (["--tag", ID], {"tag_ids": (UUID(ID),)}),
    (["--tag", ""], {"tag_ids": None}),
    (["--library", ID, "--id", OTHER], {"library_id": UUID(ID), "id": UUID(OTHER)}),
    (["--taken-after", "2026-05-01"], {"taken_after": MAY}),
    (["--taken-before", "2026-05-01T02:00:00+02:00"], {"taken_before": MAY}),
    (["--created-after", "2026-05-01"], {"created_after": MAY}),
    (["--created-before", "2026-05-01"], {"created_before": MAY}),
    (["--updated-after", "2026-05-01"], {"updated_after": MAY}),
    (["--updated-before", "2026-05-01"], {"updated_before": MAY}),
    (["--trashed-after", "2026-05-01"], {"trashed_after": MAY}),
    (["--trashed-before", "2026-05-01"], {"trashed_before": MAY}),
    (["--favorite", "--no-motion"], {"is_favorite": True, "is_motion": False}),
    (["--no-favorite"], {"is_favorite": False}),
    (["--encoded", "--offline"], {"is_encoded": True, "is_offline": True}),
    (["--not-in-album", "--with-deleted"], {"is_not_in_album": True, "with_deleted": True}),
    (["--without-stacked"], {"with_stacked": False}),
    (["--visibility", "Archive"], {"visibility": Visibility.ARCHIVE}),
    (["--file-name", " a "], {"original_file_name": "a"}),
    (["--path", "/p", "--description", "d"], {"original_path": "/p", "description": "d"}),
    (["--ocr", "发票"], {"ocr": "发票"}),
    (["--checksum", "00ff"], {"checksum": b"\x00\xff"}),
    (["--encoded-path", "/e"], {"encoded_video_path": "/e"}),
]


def given(arguments: list[str]) -> dict[str, Any]:
    """What a command gets of such a command line."""
    app, got = typer.Typer(), dict[str, Any]()

    def command(**filters: Any) -> None:  # noqa: ANN401
        got.update(filters)

    app.command()(with_filters(command))
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return got


@pytest.mark.parametrize("shape", [NEW, OLD], ids=["3.1", "2.2"])
@pytest.mark.parametrize(("arguments", "wanted"), CASES, ids=lambda case: str(case)[:40])
def test_each_option_is_immichs_filter(
    arguments: list[str], wanted: dict[str, object], shape: Shape
) -> None:
    found = dataclasses.asdict(immich_filters(given(arguments), shape))
    assert found == dataclasses.asdict(AssetFilters()) | wanted


def test_every_filter_of_immich_has_an_option() -> None:
    """But for what the command has options of its own for."""
    tested = {name for _, wanted in CASES for name in wanted}
    fields = {field.name for field in dataclasses.fields(AssetFilters)}
    assert fields - tested == {"device_id", "device_asset_id"}
    assert len({option.field for option in OPTIONS}) == len(OPTIONS)


def test_devices_are_filters_of_old_immich_alone() -> None:
    """A new one would not take notice of them, and find too much."""
    asked = given(["--device-id", "phone", "--device-asset-id", "x"])
    found = immich_filters(asked, OLD)
    assert (found.device_id, found.device_asset_id) == ("phone", "x")
    with pytest.raises(BadInputError, match=r"Immich 3\.1 has no --device-id"):
        immich_filters(asked, NEW)


def test_unrated_is_a_filter_of_new_immich_alone() -> None:
    assert immich_filters(given(["--rating", ""]), NEW).rating is None
    with pytest.raises(BadInputError, match="--rating: "):
        immich_filters(given(["--rating", ""]), OLD)


def test_what_is_not_given_is_not_set() -> None:
    filters = immich_filters(given([]), NEW)
    assert filters.city is UNSET
    assert filters.is_favorite is UNSET


@pytest.mark.parametrize("shape", [NEW, OLD], ids=["3.1", "2.2"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--type", "photo"], "--type: Invalid option"),
        (["--album", "holiday"], "--album: Invalid UUID"),
        (["--person", ""], "--person: Invalid UUID"),
        (["--rating", "6"], "--rating: "),
        (["--rating", "many"], "--rating: 'many' is no number"),
        (["--taken-after", "May"], "--taken-after: 'May' is no date"),
        (["--visibility", "secret"], "--visibility: Invalid option"),
    ],
)
def test_a_wrong_value_is_refused_by_the_options_name(
    arguments: list[str], words: str, shape: Shape
) -> None:
    with pytest.raises(BadInputError, match=words):
        immich_filters(given(arguments), shape)

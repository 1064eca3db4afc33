"""The tables are Immich's: names, types, nulls, as read off a running 3.1.0; 2.2 by its source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.integration.services.sandbox.mini import Mini

KNOWN: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "data" / "immich" / "columns.json").read_text("utf-8")
)
COLUMNS = """
SELECT table_name, column_name,
  CASE WHEN data_type IN ('ARRAY', 'USER-DEFINED') THEN udt_name ELSE data_type END
    || CASE WHEN is_nullable = 'NO' THEN ' not null' ELSE '' END AS kind
FROM information_schema.columns WHERE table_schema = 'public'
"""
BESIDE = {"album_user", "library", "shared_link", "shared_link_asset"}
"""Tables of the miniature of which no columns were recorded."""
TEXT, MOMENT = "character varying", "timestamp with time zone"
OLD: dict[str, dict[str, str | None]] = {
    "asset": {
        "width": None,
        "height": None,
        "isEdited": None,
        "checksumAlgorithm": None,
        "duration": TEXT,
        "deviceAssetId": f"{TEXT} not null",
        "deviceId": f"{TEXT} not null",
        "encodedVideoPath": TEXT,
        "sidecarPath": TEXT,
    },
    "asset_exif": {"lockedProperties": None, "tags": None},
    "asset_file": {"isEdited": None, "isProgressive": None, "isTransparent": None},
    "asset_job_status": {"previewAt": MOMENT, "thumbnailAt": MOMENT},
    "asset_ocr": {"isVisible": None, "updateId": None},
    "asset_face": {"isVisible": None},
    "tag_asset": {
        "assetId": None,
        "tagId": None,
        "assetsId": "uuid not null",
        "tagsId": "uuid not null",
    },
    "album": {"ownerId": "uuid not null"},
    "album_asset": {
        "albumId": None,
        "assetId": None,
        "albumsId": "uuid not null",
        "assetsId": "uuid not null",
    },
    "session": {"token": f"{TEXT} not null", "oauthSid": None, "oauthBearerToken": None},
    "api_key": {"key": f"{TEXT} not null"},
}
"""What 2.2 has otherwise; None is what it has not."""


async def test_the_columns_are_immichs(mini: Mini) -> None:
    found: dict[str, dict[str, str]] = {}
    for row in await mini.rows(COLUMNS):
        found.setdefault(row["table_name"], {})[row["column_name"]] = row["kind"]
    wanted: dict[str, dict[str, str]] = {**KNOWN["tables"]}
    if mini.old:
        del wanted["asset_edit"]
        for table, changes in OLD.items():
            changed = {**wanted[table], **changes}
            wanted[table] = {name: kind for name, kind in changed.items() if kind is not None}
    assert found.keys() - wanted.keys() == BESIDE
    for table, columns in wanted.items():
        assert found[table] == columns, table


async def test_the_enumerations_are_immichs(newest: Mini) -> None:
    rows = await newest.rows(
        "SELECT typname, array_agg(enumlabel::text ORDER BY enumsortorder) AS labels "
        "FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid GROUP BY typname"
    )
    found = {row["typname"]: row["labels"] for row in rows}
    wanted = {**KNOWN["enums"]}
    del wanted["video_stream_variant_codec_enum"]  # of a table that is not here
    assert found == wanted


async def test_vectors_are_searched_by_the_index_that_immich_makes(newest: Mini) -> None:
    (row,) = await newest.rows("SELECT indexdef FROM pg_indexes WHERE indexname = 'clip_index'")
    assert "USING hnsw (embedding vector_cosine_ops)" in row["indexdef"]
    (kind,) = await newest.rows(
        "SELECT format_type(atttypid, atttypmod) AS kind FROM pg_attribute "
        "WHERE attrelid = 'smart_search'::regclass AND attname = 'embedding'"
    )
    assert kind["kind"] == "vector(512)"


async def test_a_changed_row_gets_a_later_update_id(newest: Mini) -> None:
    """By which others follow Immich."""
    await newest.asset(await newest.user(), "a")
    seen = []
    for _ in range(3):
        (row,) = await newest.rows('SELECT "updateId", "updatedAt" FROM asset')
        seen.append((row["updateId"], row["updatedAt"]))
        await newest.run('UPDATE asset SET "isFavorite" = NOT "isFavorite"')
    assert seen == sorted(seen)
    assert len(set(seen)) == 3


async def test_what_belongs_to_an_asset_goes_with_it(mini: Mini) -> None:
    user = await mini.user()
    await mini.asset(user, "a", text="text", vector="a")
    await mini.album(user, "album", "a")
    await mini.tag(user, "tag", "a")
    await mini.person(user, "Li", "a")
    await mini.run("DELETE FROM asset")
    for table in (
        "asset_exif",
        "ocr_search",
        "smart_search",
        "album_asset",
        "tag_asset",
        "asset_face",
    ):
        assert await mini.rows(f"SELECT FROM {table}") == [], table
    assert len(await mini.rows("SELECT FROM person")) == 1


async def test_making_the_tables_twice_changes_nothing(mini: Mini) -> None:
    await mini.asset(await mini.user(), "a")
    await mini.data.create_tables()
    assert len(await mini.rows("SELECT FROM asset")) == 1

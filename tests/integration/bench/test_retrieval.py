"""The benchmark over a real PostgreSQL with Immich's tables."""

import json
from uuid import UUID

import pytest

from bench import retrieval
from bench.retrieval_library import DEPTH, RetrievalLibrary, library
from bench.retrieval_ours import Rank
from bench.retrieval_set import load
from immich_aio.errors import UnavailableError
from immich_aio.store.database import Database
from immich_aio.store.text.segmentation import Wish


async def test_the_library_holds_every_photo_and_line() -> None:
    photos = load().photos
    async with library(photos) as made:
        rows = await made.database.rows(
            'SELECT "assetId", count(*) FROM asset_ocr WHERE "isVisible" GROUP BY 1'
        )
        read = await made.database.row('SELECT count("ocrAt") AS done FROM asset_job_status')
        await check_native(made)
    assert {row["assetId"]: row["count"] for row in rows} == {
        photo.asset_id: len(photo.lines) for photo in photos
    }
    assert read == {"done": len(photos)}


async def check_native(made: RetrievalLibrary) -> None:
    """Immich finds a word of two characters, newest first, and no single character."""
    taken = {photo.asset_id: photo.taken for photo in load().photos}
    found = [taken[asset] for asset in await made.native("发票")]
    assert 0 < len(found) <= DEPTH
    assert found == sorted(found, reverse=True)
    assert await made.native("雪") == []


def test_a_perfect_search_is_worth_one_and_immichs_is_beside_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled = load()
    assets = {photo.id: photo.asset_id for photo in labelled.photos}

    async def perfect(query: str) -> list[UUID]:
        one = next(one for one in labelled.queries if one.query == query)
        best = sorted(one.grades, key=lambda photo: -one.grades[photo])
        return [assets[photo] for photo in (*one.unjudged, *best)]

    async def ours(_database: Database, _user_id: UUID, segmenter: Wish) -> Rank:
        if segmenter == "zhparser":
            raise UnavailableError("not here")
        return perfect

    monkeypatch.setattr(retrieval, "ours", ours)
    table, figures = measured(capsys)
    assert (figures["ndcg10"], figures["recall50"]) == (1, 1)
    assert 0.5 < figures["native_ndcg10"] < 0.9
    assert 0.5 < figures["native_recall50"] < 0.9
    name, count, *shown = table[-1].split()
    assert (name, int(count)) == ("all", len(labelled.queries))
    keys = ("ndcg10", "recall50", "native_ndcg10", "native_recall50")
    assert [float(value) for value in shown] == pytest.approx(
        [figures[key] for key in keys], abs=0.001
    )


def test_our_search_finds_what_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    _, figures = measured(capsys)
    for side in ("", "_zhparser") if "ndcg10_zhparser" in figures else ("",):
        assert figures[f"ndcg10{side}"] >= 0.95
        assert figures[f"recall50{side}"] >= 0.98


def measured(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], dict[str, float]]:
    """What the benchmark prints."""
    retrieval.main(["--json"])
    *table, last = capsys.readouterr().out.splitlines()
    return table, json.loads(last)

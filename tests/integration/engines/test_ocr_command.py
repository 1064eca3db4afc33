"""``immich-aio ocr`` prints what stands in images, and fails for those it cannot read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from bench.ocr_canvas import Page, Style
from immich_aio.cli import app

ROWS = {"SC": "清晨的阳光穿过窗帘", "EN": "Over the lazy dog"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, so that no .env of the machine has a say."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OCR_WORKERS", "2")
    return tmp_path


@pytest.fixture
def two_rows(folder: Path) -> Path:
    page = Page.blank((700, 300))
    for row, (face, text) in enumerate(ROWS.items()):
        page.write((60, 50 + row * 120), text, Style(40, face=face))
    file = folder / "two rows.png"
    page.image.save(file)
    return file


def ocr(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["ocr", *map(str, arguments)])


def test_one_image_gives_its_text_and_nothing_else(two_rows: Path) -> None:
    result = ocr(two_rows)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == list(ROWS.values())
    assert result.stderr == ""


def test_several_images_are_titled_in_the_order_they_were_given(
    folder: Path, two_rows: Path
) -> None:
    blank = folder / "blank.png"
    Image.new("RGB", (300, 200), "white").save(blank)
    result = ocr(two_rows, blank, two_rows)
    rows = [*ROWS.values(), ""]
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        *[f"── {two_rows} ──", *rows],
        *[f"── {blank} ──", ""],
        *[f"── {two_rows} ──", *rows],
    ]


def test_json_is_a_line_an_image_with_boxes_and_scores(two_rows: Path) -> None:
    result = ocr("--json", two_rows, two_rows)
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert first == second
    assert first["file"] == str(two_rows)
    assert (first["width"], first["height"]) == (700, 300)
    assert [line["text"] for line in first["lines"]] == list(ROWS.values())
    for line in first["lines"]:
        assert [len(corner) for corner in line["corners"]] == [2] * 4
        assert 0.5 <= line["box_score"] <= 1
        assert 0.5 <= line["text_score"] <= 1


def test_files_that_cannot_be_read_are_named_and_the_others_are_read(
    folder: Path, two_rows: Path
) -> None:
    broken = folder / "broken.jpg"
    broken.write_bytes(b"no picture")
    result = ocr(broken, folder / "absent.png", folder, two_rows)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1:-1] == list(ROWS.values())
    complaints = " ".join(result.stderr.split())
    assert "broken.jpg: " in complaints
    assert "absent.png: cannot be opened: No such file or directory." in complaints
    assert f"{folder}: cannot be opened: Is a directory." in complaints


def test_more_images_than_the_queue_holds_are_all_read(
    two_rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command waits for its own queue rather than be refused by it."""
    monkeypatch.setenv("OCR_QUEUE_SIZE", "1")
    result = ocr(*[two_rows] * 8)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines().count(ROWS["SC"]) == 8

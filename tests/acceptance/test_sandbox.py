"""The sandbox as a newcomer starts it: real processes, real OCR, a real browser."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from immich_aio.services.sandbox.sample_library import SAMPLES as LIBRARY
from tests.acceptance.product import SAMPLES, run
from tests.acceptance.sandboxes import PATIENCE, Sandbox, sandbox
from tests.clip_golden import TINY
from tests.integration.services.live import ask
from tests.integration.services.sandbox.test_embedded import runs

BLOCKED = """
import sys
sys.modules["psycopg"] = None
del sys.argv[1:3]  # what would have started the module
from immich_aio.__main__ import main
main()
"""


# ---- Reading and finding


async def test_what_is_printed_is_all_that_is_needed(samples: Sandbox) -> None:
    known, said = samples.known, samples.log()
    for value in known.values():
        assert value in said
    credentials = {"email": known["email"], "password": known["password"]}
    login = await ask(
        f"{known['sandbox']}api/auth/login",
        "POST",
        headers={"content-type": "application/json"},
        data=json.dumps(credentials),
    )
    assert login.status == 201
    assert (await ask(f"{known['gateway']}ping")).body == b"pong"
    assert b"<html" in (await ask(known["ai"])).body


FOUND = [
    ("发票", "invoice-hangzhou.jpg"),
    ("增值税", "invoice-hangzhou.jpg"),
    ("統一發票", "uniform-invoice-taipei.jpg"),
    ("士林夜市", "night-market.jpg"),
    ("領収書", "receipt-tokyo.jpg"),
    ("ラーメン", "ramen.jpg"),
    ("BOARDING", "boarding-pass.jpg"),
    ("Espresso", "coffee.jpg"),
    ("D39527", "number-plate.jpg"),
]


@pytest.mark.parametrize(("query", "name"), FOUND)
async def test_photos_are_found_by_their_text_in_four_languages(
    samples: Sandbox, query: str, name: str
) -> None:
    assert name in await samples.found(ocr=query)


async def test_every_line_that_was_drawn_was_read(samples: Sandbox) -> None:
    """But for spaces and two characters in a hundred."""
    plan = json.loads((LIBRARY / "library.json").read_text("utf-8"))
    drawn = {photo["file"]: photo["lines"] for photo in plan["photos"] if "lines" in photo}
    shown = (await samples.ask("/search/metadata", {"size": 1000})).json["assets"]["items"]
    missing, total = [], 0
    for item in shown:
        lines = (await samples.ask(f"/assets/{item['id']}/ocr")).json
        read = "".join(line["text"] for line in lines).replace(" ", "")
        for line in drawn.get(item["originalFileName"], ()):
            total += 1
            missing += [line] if line.replace(" ", "") not in read else []
    assert total > 100
    assert len(missing) <= 6, missing


SEEN = [
    ("海边", "sky.jpg"),
    ("a forest", "forest.jpg"),
    ("夜晚", "editor.jpg"),
    ("一张白纸", "book-page.jpg"),
]


@pytest.mark.parametrize(("query", "name"), SEEN)
async def test_photos_are_found_by_what_the_model_that_comes_along_knows(
    samples: Sandbox, query: str, name: str
) -> None:
    """It knows colours, and goes the whole way: preview, job, gateway, engine, database."""
    found = await samples.ask("/search/smart", {"query": query, "size": 6})
    assert name in {photo["originalFileName"] for photo in found.json["assets"]["items"]}


@pytest.fixture(scope="module")
def two_photos(open_folder: Path) -> Path:
    """A folder of two photos of the samples."""
    folder = open_folder / "photos"
    folder.mkdir()
    for name in ("sky.jpg", "forest.jpg"):
        (folder / name).write_bytes((LIBRARY / name).read_bytes())
    return folder


async def test_a_search_by_meaning_fails_where_the_chosen_model_is_not_here(
    open_folder: Path, two_photos: Path
) -> None:
    chosen = {"CLIP_MODEL": "ViT-B-16", "MODEL_DOWNLOAD": "off"}
    with sandbox(open_folder / "no-clip", "--photos", str(two_photos), **chosen) as made:
        made.wait_for("Ready after")
        reply = await made.ask("/search/smart", {"query": "发票"})
        assert "2 SmartSearch jobs came to nothing" in made.log()
        made.stop()
    assert (reply.status, reply.json) == (500, {"message": "Failed to search smart"})


def test_with_another_model_all_vectors_are_made_anew(open_folder: Path, two_photos: Path) -> None:
    """Vectors of two models cannot be compared."""
    models = open_folder / "models"
    models.mkdir()
    shutil.copy(TINY, models)
    seen = []
    choices: list[dict[str, str]] = [{}, {"CLIP_MODEL": "tiny", "CLIP_DOWNLOAD_ROOT": str(models)}]
    for start, chosen in enumerate(choices, start=1):
        with sandbox(open_folder / "other", "--photos", str(two_photos), **chosen) as made:
            made.wait_for("Ready after", start)
            seen.append(scalar(made.known["database"], VECTORS))
            made.stop()
    assert all(vectors.startswith("2 [") for vectors in seen)
    assert seen[0] != seen[1]


async def test_an_uploaded_photo_is_read_by_the_real_gateway(samples: Sandbox) -> None:
    import aiohttp  # noqa: PLC0415  # for the form

    form = aiohttp.FormData(default_to_multipart=True)
    for key in ("fileCreatedAt", "fileModifiedAt"):
        form.add_field(key, "2026-05-01T10:00:00.000Z")
    form.add_field("assetData", (SAMPLES / "receipt.jpg").read_bytes(), filename="uploaded.jpg")
    headers = {"x-api-key": samples.known["api_key"]}
    url = f"{samples.known['sandbox']}api/assets"
    made = (await ask(url, "POST", headers=headers, data=form)).json["id"]
    end = time.monotonic() + PATIENCE
    while not (lines := (await samples.ask(f"/assets/{made}/ocr")).json):
        assert time.monotonic() < end
    assert "全家便利店" in {line["text"] for line in lines}  # in no order, as from Immich


# ---- The page


@pytest_asyncio.fixture(loop_scope="session")
async def page(samples: Sandbox, browser: Browser) -> AsyncIterator[Page]:
    """The page after a login; no error may have appeared on it."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(samples.known["sandbox"])
    await page.get_by_label("Email").fill(samples.known["email"])
    await page.get_by_label("Password").fill(samples.known["password"])
    await page.get_by_role("button", name="Login").click()
    await page.wait_for_selector("[data-asset]")
    yield page
    await context.close()
    assert not errors


@pytest.mark.asyncio(loop_scope="session")
async def test_the_page_searches_and_shows_immichs_words(page: Page) -> None:
    await page.get_by_label("Search type").select_option("Text (OCR)")
    await page.get_by_label("Search your photos").fill("統一發票")
    await page.get_by_role("button", name="Search", exact=True).click()
    await page.get_by_text("1 photos", exact=True).wait_for()
    assert await page.locator("[data-asset] img").get_attribute("alt") == (
        "uniform-invoice-taipei.jpg"
    )
    await page.get_by_label("Search type").select_option("Context")
    await page.get_by_label("Search your photos").fill("sky")
    await page.get_by_role("button", name="Search", exact=True).click()
    await page.locator("[data-asset] img[alt='sky.jpg']").wait_for()


@pytest.mark.asyncio(loop_scope="session")
async def test_the_viewers_menu_is_built_as_immichs(page: Page) -> None:
    await page.locator("[data-asset]").first.click()
    viewer = page.locator("section#immich-asset-viewer")
    actions = viewer.get_by_test_id("asset-viewer-navbar-actions")
    button = actions.locator('button[aria-haspopup="true"]')
    menu = actions.locator('ul[role="menu"]')
    assert await menu.get_attribute("id") == await button.get_attribute("aria-controls")
    await button.click()
    assert await button.get_attribute("aria-expanded") == "true"
    texts = await menu.locator('li[role="menuitem"]').all_inner_texts()
    assert texts == ["Download", "Refresh faces", "Refresh metadata", "Refresh thumbnails"]
    assert await menu.locator("hr + li").inner_text() == "Refresh faces"
    await menu.get_by_text("Refresh thumbnails").click()
    await page.get_by_text("Refresh thumbnails: queued").wait_for(state="attached")
    await page.keyboard.press("Escape")
    await viewer.wait_for(state="detached")


@pytest.mark.asyncio(loop_scope="session")
async def test_the_menu_of_a_selection_is_there_for_ones_own_photos_alone(page: Page) -> None:
    own = page.locator('[data-asset]:has(img[alt="coffee.jpg"])')
    theirs = page.locator('[data-asset]:has(img[alt="tea-restaurant.jpg"])')
    await own.get_by_role("checkbox").click()
    bar = page.locator("#control-bar")
    await bar.locator('button[aria-haspopup="true"]').click()
    texts = await bar.locator('li[role="menuitem"]').all_inner_texts()
    assert texts[1:] == ["Refresh thumbnails", "Refresh metadata", "Refresh encoded videos"]
    assert await own.get_attribute("data-selected") is not None
    await theirs.get_by_role("checkbox").click()
    await page.get_by_text("2 selected").wait_for()
    assert await bar.locator('ul[role="menu"]').count() == 0


# ---- Beginning and ending


def test_ended_and_killed_in_the_middle_of_reading_it_goes_on_where_it_was(
    open_folder: Path,
) -> None:
    """Nothing is left running, and in the end everything was read."""
    data = open_folder / "interrupted"
    photos = open_folder / "to read"
    photos.mkdir()
    files = [shutil.copy(photo, photos) for photo in SAMPLES.glob("*.jpg")]
    for number in (signal.SIGTERM, signal.SIGKILL):
        with sandbox(data, "--photos", str(photos)) as made:
            made.wait_for("data ")
            processes = made.family()
            made.process.send_signal(number)
            status = made.process.wait(60)
            assert status == (0 if number is signal.SIGTERM else -signal.SIGKILL), made.log()
            end = time.monotonic() + 20
            while any(map(runs, processes)):
                assert time.monotonic() < end
                time.sleep(0.05)
        made.log_file.unlink()
    with sandbox(data, "--photos", str(photos)) as made:
        made.wait_for("Ready after")
        text = 'SELECT count(*) FROM asset_job_status WHERE "ocrAt" IS NOT NULL'
        assert scalar(made.known["database"], text) == len(files)
        made.stop()


def test_a_database_that_ends_ends_the_sandbox_with_a_message(open_folder: Path) -> None:
    with sandbox(open_folder / "broken", "--assets", "1") as made:
        made.wait_for("Ready after")
        family = made.family()
        next(one for one in family if one.name() == "postgres").kill()
        assert made.process.wait(60) == 1
        assert "PostgreSQL ended unexpectedly; see " in made.log()
        assert not list(filter(runs, family))


def test_own_photos_are_read_and_the_broken_are_named(open_folder: Path) -> None:
    photos = open_folder / "photos" / "2024"
    photos.mkdir(parents=True)
    shutil.copy(SAMPLES / "sign.jpg", photos)
    (photos / "[red]broken.jpg").write_text("no picture")
    options = ("--photos", str(photos.parent), "--immich", "2.2")
    with sandbox(open_folder / "own", *options) as made:
        made.wait_for("Ready after")
        assert f"passed over: {photos / '[red]broken.jpg'}: " in made.log()
        assert "欢迎光临" in str(scalar(made.known["database"], "SELECT text FROM ocr_search"))
        made.stop(signal.SIGTERM)


def test_two_sandboxes_stand_side_by_side_but_not_in_one_folder(open_folder: Path) -> None:
    with (
        sandbox(open_folder / "one", "--assets", "1") as one,
        sandbox(open_folder / "two", "--assets", "1") as two,
    ):
        one.wait_for("Ready after")
        two.wait_for("Ready after")
        for key in ("sandbox", "gateway", "ai", "database", "redis", "api_key"):
            assert one.known[key] != two.known[key]
        two.stop()
        one.stop()


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    absent = run(tmp_path, "sandbox", "--photos", str(tmp_path / "absent"))
    both = run(tmp_path, "sandbox", "--photos", str(tmp_path), "--assets", "5")
    parts = run(tmp_path, "sandbox", before=("-c", BLOCKED))
    for done, words in (
        (absent, "absent is no folder"),
        (both, "exclude each other"),
        (parts, "pip install 'immich-aio[cpu,sandbox]'"),
    ):
        assert done.returncode == 1
        assert words in done.stderr
        assert "Traceback" not in done.stderr


VECTORS = "SELECT count(*) || ' ' || min(embedding::text) FROM smart_search"


def scalar(database: str, sql: str) -> Any:  # noqa: ANN401  # whatever was asked for
    """The one value of a query."""
    import psycopg  # noqa: PLC0415  # for these tests only

    with psycopg.connect(database) as connection:
        row = connection.execute(sql).fetchone()
    assert row is not None
    return row[0]

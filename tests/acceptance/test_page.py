"""The page at "/": a real browser against the real service."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, Page, Request, Route, expect

from tests.acceptance.product import RECEIPT, Service, running

DESKTOP = {"width": 1280, "height": 860}
READ_MS = 60_000  # the first photo also waits for the models

# The browser lives as long as the test run, so its tests share the run's event loop.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

IMAGE_FILE = """
const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
const transfer = new DataTransfer();
transfer.items.add(new File([bytes], "receipt.jpg", { type: "image/jpeg" }));
"""
DROP = f"""(encoded) => {{
  {IMAGE_FILE}
  const how = {{ dataTransfer: transfer, bubbles: true, cancelable: true }};
  for (const type of ["dragenter", "dragover", "drop"]) {{
    document.body.dispatchEvent(new DragEvent(type, how));
  }}
}}"""
COPY_AS_PICTURE = """async (encoded) => {
  const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes]));
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d").drawImage(picture, 0, 0);
  const png = await canvas.convertToBlob({ type: "image/png" });
  await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
}"""
REMEMBER_KEY = "key => localStorage.setItem('immich-aio.key', key)"
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest_asyncio.fixture(loop_scope="session")
async def page(ai_service: Service, browser: Browser) -> AsyncIterator[Page]:
    """The page, opened by someone who has given the key before."""
    context = await browser.new_context(
        viewport=DESKTOP, permissions=["clipboard-read", "clipboard-write"]
    )
    opened = await context.new_page()
    await opened.goto(ai_service.url)
    await opened.evaluate(REMEMBER_KEY, ai_service.key)
    await opened.reload()
    yield opened
    await context.close()


async def pick(page: Page, *files: Path) -> None:
    await page.get_by_label("Choose photos").set_input_files(files)


async def read(page: Page) -> int:
    """Wait until the text is there; how many lines there are."""
    await expect(page.get_by_role("button", name="Copy all")).to_be_visible(timeout=READ_MS)
    return await page.locator("#lines li").count()


def encoded_receipt() -> str:
    return base64.b64encode(RECEIPT.read_bytes()).decode()


async def test_a_picked_photo_shows_its_text_and_a_box_for_every_line(page: Page) -> None:
    await pick(page, RECEIPT)
    lines = await read(page)
    assert lines > 3
    await expect(page.locator("#boxes polygon")).to_have_count(lines)
    await expect(page.get_by_role("heading", name=f"{lines} lines")).to_be_visible()
    assert all(text.strip() for text in await page.locator("#lines .words").all_inner_texts())
    await expect(page.get_by_alt_text("The chosen photo")).to_be_visible()


async def test_boxes_lie_within_the_photo(page: Page) -> None:
    await pick(page, RECEIPT)
    await read(page)
    photo = await page.get_by_alt_text("The chosen photo").bounding_box()
    assert photo is not None
    for polygon in await page.locator("#boxes polygon").all():
        box = await polygon.bounding_box()
        assert box is not None
        assert box["x"] >= photo["x"] - 3
        assert box["y"] >= photo["y"] - 3
        assert box["x"] + box["width"] <= photo["x"] + photo["width"] + 3
        assert box["y"] + box["height"] <= photo["y"] + photo["height"] + 3


async def test_a_dropped_photo_is_read(page: Page) -> None:
    await page.evaluate(DROP, encoded_receipt())
    assert await read(page) > 3


async def test_a_pasted_photo_is_read(page: Page) -> None:
    """A picture copied elsewhere and pasted with Ctrl+V, through the real clipboard."""
    await page.evaluate(COPY_AS_PICTURE, encoded_receipt())
    await page.keyboard.press("Control+v")
    assert await read(page) > 3


async def test_hovering_a_line_marks_its_box_and_no_other(page: Page) -> None:
    await pick(page, RECEIPT)
    await read(page)
    await page.locator("#lines li").nth(2).hover()
    await expect(page.locator("#boxes .marked")).to_have_count(1)
    await expect(page.locator("#boxes polygon").nth(2)).to_contain_class("marked")


async def test_hovering_a_box_marks_its_line_and_no_other(page: Page) -> None:
    await pick(page, RECEIPT)
    await read(page)
    await page.locator("#boxes polygon").nth(1).hover()
    await expect(page.locator("#lines .marked")).to_have_count(1)
    await expect(page.locator("#lines li").nth(1)).to_contain_class("marked")


async def test_arrow_keys_walk_the_lines_and_mark_their_boxes(page: Page) -> None:
    await pick(page, RECEIPT)
    await read(page)
    await page.get_by_role("button", name="Copy all").focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("ArrowDown")
    await expect(page.locator("#boxes polygon").nth(1)).to_contain_class("marked")


async def test_copy_all_puts_every_line_on_the_clipboard(page: Page) -> None:
    await pick(page, RECEIPT)
    await read(page)
    texts = await page.locator("#lines .words").all_text_contents()
    await page.get_by_role("button", name="Copy all").click()
    await expect(page.get_by_role("status")).to_have_text("Copied")
    assert await page.evaluate("navigator.clipboard.readText()") == "\n".join(texts)


async def test_a_click_on_a_line_copies_that_line(page: Page) -> None:
    await pick(page, RECEIPT)
    await read(page)
    words = page.locator("#lines .words").nth(1)
    await words.click()
    await expect(page.get_by_role("status")).to_have_text("Copied")
    assert await page.evaluate("navigator.clipboard.readText()") == await words.text_content()


async def test_copying_works_where_the_browser_has_no_clipboard_interface(page: Page) -> None:
    """Over plain HTTP from another machine ``navigator.clipboard`` does not exist."""
    await pick(page, RECEIPT)
    await read(page)
    texts = await page.locator("#lines .words").all_text_contents()
    await page.evaluate("""() => {
      window.realClipboard = navigator.clipboard;
      Object.defineProperty(navigator, "clipboard", { value: undefined });
    }""")
    await page.get_by_role("button", name="Copy all").click()
    await expect(page.get_by_role("status")).to_have_text("Copied")
    assert await page.evaluate("window.realClipboard.readText()") == "\n".join(texts)


async def test_a_file_that_is_no_photo_shows_the_servers_message(
    page: Page, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("not a photo")
    async with page.expect_response("**/ocr/lines") as answered:
        await pick(page, notes)
    problem = await (await answered.value).json()
    await expect(page.get_by_role("alert")).to_contain_text(problem["detail"])


async def test_a_photo_without_text_says_so_and_is_no_error(page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (640, 480), "white").save(tmp_path / "blank.png")
    await pick(page, tmp_path / "blank.png")
    found_none = page.get_by_role("heading", name="No text was found")
    await expect(found_none).to_be_visible(timeout=READ_MS)
    await expect(page.get_by_role("alert")).to_be_hidden()


async def test_a_wrong_key_asks_for_the_key_and_the_right_one_then_works(
    page: Page, ai_service: Service
) -> None:
    await page.evaluate(REMEMBER_KEY, "wrong")
    await pick(page, RECEIPT)
    field = page.get_by_label("Key", exact=True)
    await expect(field).to_be_visible(timeout=READ_MS)
    await expect(page.locator("#key-note")).to_have_text("The last key was not accepted.")
    await field.fill(ai_service.key)
    await field.press("Enter")
    assert await read(page) > 3


async def test_without_a_key_nothing_is_uploaded_before_it_is_given(
    page: Page, ai_service: Service
) -> None:
    """A photo is not sent only to be turned away; and the key lasts over a reload."""
    await page.evaluate("localStorage.clear()")
    async with page.expect_response("**/aio/status"):
        await page.reload()
    await expect(page.locator("#service")).to_contain_text("·")
    uploads: list[str] = []
    page.on("request", lambda request: uploads.append(request.method))
    await pick(page, RECEIPT)
    field = page.get_by_label("Key", exact=True)
    await expect(field).to_be_focused()
    assert "POST" not in uploads
    await field.fill(ai_service.key)
    await page.get_by_role("button", name="Continue").click()
    assert await read(page) > 3
    await page.reload()
    await pick(page, RECEIPT)
    assert await read(page) > 3


async def test_a_busy_server_is_asked_again(page: Page) -> None:
    """429 is no failure: the page says so, waits as told, and asks once more."""
    turned_away: list[str] = []

    async def refuse_once(route: Route, request: Request) -> None:
        if turned_away:
            await route.continue_()
            return
        turned_away.append(request.url)
        await route.fulfill(status=429, headers={"Retry-After": "1"}, body="{}")

    await page.route("**/ocr/lines", refuse_once)
    await pick(page, RECEIPT)
    await expect(page.get_by_role("status")).to_contain_text("busy")
    assert await read(page) > 3


async def test_another_choice_ends_the_reading_of_the_first(page: Page) -> None:
    """The first request is cancelled, and only the second photo is shown."""
    held: list[str] = []

    async def hold_first(route: Route, request: Request) -> None:
        held.append(request.url)
        if len(held) > 1:
            await route.continue_()

    await page.route("**/ocr/lines", hold_first)
    async with page.expect_request("**/ocr/lines"):
        await pick(page, RECEIPT)
    async with page.expect_event("requestfailed"):
        await pick(page, RECEIPT)
    assert await read(page) > 3
    assert len(held) == 2


async def test_several_photos_are_read_and_can_be_switched(page: Page, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("not a photo")
    await pick(page, RECEIPT, notes)
    lines = await read(page)
    thumbs = page.get_by_role("group", name="Photos").get_by_role("button")
    await expect(thumbs).to_have_count(2)
    await expect(thumbs.nth(1)).to_have_attribute("data-state", "error")
    await thumbs.nth(1).click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await thumbs.nth(0).click()
    await expect(page.locator("#boxes polygon")).to_have_count(lines)


async def test_a_format_the_browser_cannot_show_gets_a_sheet_with_the_text(
    page: Page, tmp_path: Path
) -> None:
    with Image.open(RECEIPT) as photo:
        size = photo.size
        photo.save(tmp_path / "receipt.tiff")
    await pick(page, tmp_path / "receipt.tiff")
    lines = await read(page)
    await expect(page.get_by_text("This browser cannot show this format.")).to_be_visible()
    await expect(page.locator("#boxes text")).to_have_count(lines)
    frame = await page.locator("#frame").bounding_box()
    assert frame is not None
    assert frame["width"] / frame["height"] == pytest.approx(size[0] / size[1], rel=0.02)


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_on_a_phone_nothing_scrolls_sideways(page: Page, colours: str) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.emulate_media(color_scheme="dark" if colours == "dark" else "light")
    assert await page.evaluate(SIDEWAYS) <= 0
    await pick(page, RECEIPT)
    await read(page)
    assert await page.evaluate(SIDEWAYS) <= 0


async def test_the_page_says_where_the_time_went(page: Page) -> None:
    await pick(page, RECEIPT)
    await read(page)
    times = page.get_by_label("Where the time went")
    for part in ("queue", "decode", "detect", "recognise", "in all"):
        await expect(times.locator("div", has_text=part)).to_contain_text(" ms")
    await expect(page.locator("#bar span")).to_have_count(4)


async def test_the_footer_names_engine_and_version(page: Page) -> None:
    status = await page.evaluate("fetch('aio/status').then((response) => response.json())")
    await expect(page.locator("#service")).to_contain_text(status["version"])
    await expect(page.locator("#service")).to_contain_text(status["engine"])


async def test_nothing_is_asked_of_another_server_and_the_console_stays_clean(
    page: Page, ai_service: Service
) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None,
    )
    await page.reload()
    await pick(page, RECEIPT)
    await read(page)
    home = urlsplit(ai_service.url).netloc
    outside = [url for url in asked if urlsplit(url).netloc != home]
    assert [url for url in outside if urlsplit(url).scheme not in {"blob", "data"}] == []
    assert complaints == []


async def test_where_the_well_known_key_still_holds_nobody_is_asked_for_one(
    browser: Browser, tmp_path: Path
) -> None:
    with running(tmp_path / "at home", {"API_AUTH_KEY": "mt_photos_ai_extra"}) as service:
        context = await browser.new_context(viewport=DESKTOP)
        opened = await context.new_page()
        await opened.goto(service.url)
        await pick(opened, RECEIPT)
        assert await read(opened) > 3
        await context.close()
        service.stop()


async def test_the_foot_names_the_model_of_smart_search_and_what_fits_in_immich(
    page: Page,
) -> None:
    foot = page.locator("#clip")
    await expect(foot).to_contain_text("Smart search: ViT-B-16")
    await expect(foot).to_contain_text("vectors of 512 · not here yet")
    await expect(foot).to_contain_text("in Immich: ViT-B-32__openai or ViT-B-16__openai")


async def test_the_foot_names_the_face_pack_and_whether_it_may_be_used(page: Page) -> None:
    foot = page.locator("#faces")
    await expect(foot).to_contain_text("Faces: buffalo_l")
    await expect(foot).to_contain_text("licence not accepted")

"""What the companion adds to Immich's web: menus and toasts in a real browser, over real jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Locator, Page, Route, expect

from tests.acceptance.people import entered, statement
from tests.acceptance.sandboxes import Sandbox

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

OCR, SMART = '[data-aio="refresh-ocr"]', '[data-aio="refresh-smart-search"]'
JOBS = "**/api/assets/jobs"
LABELS = {
    "en": ("Refresh OCR", "Refresh smart search"),
    "zh-CN": ("刷新文字识别（OCR）", "刷新智能搜索"),
    "zh_Hant": ("重新整理文字辨識（OCR）", "重新整理智慧搜尋"),
    "ja": ("OCRを更新", "スマートサーチを更新"),
    "ko": ("OCR 새로고침", "스마트 검색 새로고침"),
    "de": ("OCR aktualisieren", "Intelligente Suche aktualisieren"),
    "fr": ("Actualiser l’OCR", "Actualiser la recherche intelligente"),
    "es": ("Actualizar OCR", "Actualizar búsqueda inteligente"),
    "nl": ("Vernieuw OCR", "Vernieuw slim zoeken"),
    "pt-BR": ("Refresh OCR", "Refresh smart search"),
}
MENU = """<!doctype html><html class="dark"><head><script src="/aio/static/aio.js"></script></head>
<body><button id="b" aria-haspopup="true" aria-controls="m" aria-expanded="false">More</button>
<ul id="m" role="menu"><li role="menuitem"><svg><path d="{path}z"/></svg><div>Job</div></li></ul>
</body></html>"""
"""A menu such as Immich has, with one entry."""
METADATA = "M6 12.45V9.64C7.47 10.47 9.61 11 12 11"


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def context(samples: Sandbox, browser: Browser) -> AsyncIterator[BrowserContext]:
    """The admin, logged in at the companion's address."""
    opened = await entered(browser, samples, samples.known["email"])
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(samples: Sandbox, context: BrowserContext) -> AsyncIterator[Page]:
    """Immich through the companion; no error may have appeared on it."""
    opened = await context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    await opened.goto(samples.known["companion"])
    await opened.locator("[data-asset]").first.wait_for()
    yield opened
    await opened.close()
    assert not errors


async def view(page: Page, name: str) -> Locator:
    """Open a photo, and its menu; the menu."""
    await page.locator(f'[data-asset]:has(img[alt="{name}"])').click()
    actions = page.get_by_test_id("asset-viewer-navbar-actions")
    await actions.locator('button[aria-haspopup="true"]').click()
    return actions.locator('ul[role="menu"]')


async def select(page: Page, *names: str) -> Locator:
    """Select photos, and open the menu of the selection; the menu."""
    for name in names:
        await page.locator(f'[data-asset]:has(img[alt="{name}"])').get_by_role("checkbox").click()
    await page.locator('#control-bar button[aria-haspopup="true"]').click()
    return page.locator('#control-bar ul[role="menu"]')


def toast(page: Page) -> Locator:
    return page.locator(".toast").last


async def test_both_stand_after_immichs_own_jobs_in_the_viewers_menu(page: Page) -> None:
    menu = await view(page, "coffee.jpg")
    texts = await menu.get_by_role("menuitem").all_inner_texts()
    assert texts[-3:] == ["Refresh thumbnails", "Refresh OCR", "Refresh smart search"]
    await page.keyboard.press("Escape")
    await page.get_by_label("More").click()
    assert await menu.locator("[data-aio]").count() == 2


async def test_a_toast_follows_the_job_to_its_end_and_what_was_read_is_found_by_itself(
    page: Page, samples: Sandbox
) -> None:
    lost = """DELETE FROM asset_ocr USING asset
      WHERE asset.id = "assetId" AND "originalFileName" = 'night-market.jpg'"""
    statement(samples, lost)
    menu = await view(page, "night-market.jpg")
    await menu.locator(OCR).click()
    await expect(toast(page)).to_contain_text("Refresh OCR")
    await expect(toast(page)).to_have_attribute("data-end", "good", timeout=30_000)
    await expect(toast(page)).to_contain_text("Done")
    await expect(page.locator("aio-toasts [role=status]")).to_have_attribute("aria-live", "polite")
    await page.goto(f"{samples.known['companion']}aio/search?q=ocr:士林夜市")
    await expect(page.locator(".result .name").first).to_have_text("night-market.jpg")


async def test_keys_walk_over_both_as_over_immichs_own(page: Page) -> None:
    menu = await view(page, "coffee.jpg")
    for _ in range(2):
        await page.keyboard.press("ArrowUp")
    entry = menu.locator(OCR)
    assert await menu.get_attribute("aria-activedescendant") == await entry.get_attribute("id")
    await expect(entry).to_have_css("background-color", "rgb(203, 213, 225)")
    await page.keyboard.press("ArrowDown")
    await expect(entry).not_to_have_css("background-color", "rgb(203, 213, 225)")
    async with page.expect_request(JOBS) as asked:
        await page.keyboard.press("Enter")
    sent = (await asked.value).post_data_json
    assert isinstance(sent, dict)
    assert sent["name"] == "refresh-smart-search"
    await expect(toast(page)).to_contain_text("Refresh smart search")


async def test_of_a_selection_all_are_refreshed_and_it_ends(page: Page) -> None:
    menu = await select(page, "coffee.jpg", "sky.jpg", "ramen.jpg")
    async with page.expect_request(JOBS) as asked:
        await menu.locator(OCR).click()
    sent = (await asked.value).post_data_json
    assert isinstance(sent, dict)
    assert (sent["name"], len(sent["assetIds"])) == ("refresh-ocr", 3)
    await expect(toast(page)).to_contain_text("3 of 3 done", timeout=30_000)
    await expect(page.locator("#control-bar")).to_have_count(0)
    assert "queued" not in await page.locator("#message").inner_text()


async def test_of_anothers_photo_there_is_nothing_to_refresh(page: Page) -> None:
    menu = await view(page, "tea-restaurant.jpg")
    assert await menu.get_by_role("menuitem").count() > 0
    assert await menu.locator("[data-aio]").count() == 0


async def test_immichs_own_entries_do_what_they_did(page: Page) -> None:
    menu = await view(page, "coffee.jpg")
    async with page.expect_request(JOBS) as asked:
        await menu.get_by_text("Refresh metadata").click()
    sent = (await asked.value).post_data_json
    assert isinstance(sent, dict)
    assert sent["name"] == "refresh-metadata"
    await page.get_by_text("Refresh metadata: queued").wait_for(state="attached")
    assert await page.locator(".toast").count() == 0


async def test_labels_are_in_immichs_language(page: Page) -> None:
    menu = await view(page, "coffee.jpg")
    more = page.get_by_label("More")
    for language, labels in LABELS.items():
        await page.evaluate("code => localStorage.setItem('lang', code)", language)
        await menu.evaluate("menu => menu.querySelectorAll('[data-aio]').forEach(e => e.remove())")
        await more.dispatch_event("pointerdown")
        assert tuple(await menu.locator("[data-aio]").all_inner_texts()) == labels
    await page.evaluate("localStorage.removeItem('lang')")


async def test_what_cannot_be_done_is_said_in_that_language(page: Page, samples: Sandbox) -> None:
    edited = """INSERT INTO asset_file ("assetId", type, path, "isEdited")
      SELECT id, 'preview', '/edited', true FROM asset WHERE "originalFileName" = 'recipe.jpg'"""
    statement(samples, edited)
    await page.evaluate("localStorage.setItem('lang', 'de')")
    menu = await view(page, "recipe.jpg")
    await menu.locator(SMART).click()
    await expect(toast(page)).to_have_attribute("data-end", "bad")
    await expect(toast(page)).to_contain_text("Von bearbeiteten Fotos macht Immich keinen neuen")
    await page.evaluate("localStorage.removeItem('lang')")


async def test_what_the_server_says_is_shown_and_the_selection_stays(page: Page) -> None:
    async def refuse(route: Route) -> None:
        await route.fulfill(status=503, json={"message": "Redis is away; start it."})

    await page.route(JOBS, refuse)
    menu = await select(page, "coffee.jpg")
    await menu.locator(OCR).click()
    await expect(toast(page)).to_contain_text("Could not be started")
    await expect(toast(page)).to_contain_text("Redis is away; start it.")
    await expect(page.locator("#control-bar")).to_have_count(1)
    await toast(page).get_by_label("Close").click()
    await expect(page.locator(".toast")).to_have_count(0)


async def test_on_a_phone_a_tap_does_it(browser: Browser, samples: Sandbox) -> None:
    how = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    context = await entered(browser, samples, samples.known["email"], **how)
    page = await context.new_page()
    await page.goto(samples.known["companion"])
    await page.locator('[data-asset]:has(img[alt="coffee.jpg"])').tap()
    await page.get_by_label("More").tap()
    await page.locator(SMART).tap()
    await expect(toast(page)).to_be_visible()
    box = await toast(page).bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    await context.close()


async def menu_page(page: Page, samples: Sandbox, path: str, policy: str = "") -> None:
    """A page with a menu of one entry, which has that icon."""

    async def answer(route: Route) -> None:
        headers = {"Content-Security-Policy": policy} if policy else {}
        body = MENU.format(path=path)
        await route.fulfill(body=body, content_type="text/html", headers=headers)

    await page.route("**/a-menu", answer)
    await page.goto(f"{samples.known['companion']}a-menu")
    await page.locator("#b").click()


async def test_nothing_is_added_where_immichs_entries_are_not_known(
    page: Page, samples: Sandbox
) -> None:
    await menu_page(page, samples, "M1 2L3 4")
    assert await page.locator("#m > li").all_inner_texts() == ["Job"]
    assert await page.locator("aio-toasts").count() == 0


async def test_under_a_strict_policy_and_without_immichs_help_it_says_that_it_cannot(
    page: Page, samples: Sandbox
) -> None:
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text))
    await page.clock.install()
    await menu_page(page, samples, METADATA, "default-src 'self'")
    await page.locator(OCR).click()
    await expect(toast(page)).to_have_css("border-radius", "12px")
    await page.clock.run_for(3500)
    await expect(toast(page)).to_contain_text("Immich did not tell which photos are meant.")
    assert complaints == []

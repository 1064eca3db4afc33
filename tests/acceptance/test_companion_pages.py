"""The companion's own pages, in a real browser: explained search, and how everything stands."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.acceptance.people import MEI, entered
from tests.acceptance.sandboxes import Sandbox
from tests.integration.services.live import ask

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
PAGES = ("aio/", "aio/search?q=发票 杭州")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def context(samples: Sandbox, browser: Browser) -> AsyncIterator[BrowserContext]:
    """The admin."""
    opened = await entered(browser, samples, samples.known["email"])
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """A page of theirs; nobody may complain on its console, nor may another server be asked."""
    opened = await context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda said: complaints.append(said.text))
    yield opened
    await opened.close()
    assert complaints == []


async def search(page: Page, samples: Sandbox, query: str) -> None:
    await page.goto(f"{samples.known['companion']}aio/search")
    await page.keyboard.type(query)
    await page.keyboard.press("Enter")
    await page.locator(".result").first.wait_for()


async def test_each_result_says_what_put_it_where_it_stands(page: Page, samples: Sandbox) -> None:
    await search(page, samples, "发票 杭州")
    first = page.locator(".result").first
    await expect(first.locator(".name")).to_have_text("invoice-hotel.jpg")
    await expect(first.locator("tbody tr")).to_have_count(2)
    assert await first.locator("mark").all_inner_texts() == ["发票", "杭州"]
    parts = [await first.locator(f".sum .{part}").inner_text() for part in ("meaning", "text")]
    meaning, text = (float(part.split()[-1]) for part in parts)
    assert float(await first.locator(".total").inner_text()) == pytest.approx(
        meaning + text, abs=0.002
    )
    bars = [await bar.bounding_box() for bar in await first.locator(".bar > span").all()]
    lengths = [bar["width"] for bar in bars if bar is not None]
    assert lengths[0] / lengths[1] == pytest.approx(meaning / text, rel=0.02)


async def test_scores_fall_from_result_to_result(page: Page, samples: Sandbox) -> None:
    await search(page, samples, "发票")
    totals = [float(text) for text in await page.locator(".total").all_inner_texts()]
    assert len(totals) == 20
    assert totals == sorted(totals, reverse=True)
    await page.get_by_role("button", name="More").click()
    await expect(page.locator(".result")).not_to_have_count(20)
    ranks = await page.locator(".rank").all_inner_texts()
    assert ranks == [f"{number}." for number in range(1, len(ranks) + 1)]


async def test_words_are_marked_on_the_photo_within_the_box_of_their_line(
    page: Page, samples: Sandbox
) -> None:
    await search(page, samples, "ocr:杭州")
    await expect(page.locator("#verdict")).to_contain_text("by text alone")
    first = page.locator(".result").first
    photo, lines = first.locator(".photo img"), first.locator(".boxes .line")
    await expect(photo).to_have_js_property("complete", True)
    assert await photo.evaluate("image => image.naturalWidth") > 300
    assert await lines.count() == await first.locator(".lines li").count() > 0
    for index in range(await lines.count()):
        line = await lines.nth(index).bounding_box()
        word = await first.locator(f'.boxes .word[data-line="{index}"]').first.bounding_box()
        frame = await photo.bounding_box()
        assert line is not None
        assert word is not None
        assert frame is not None
        assert line["x"] - 3 <= word["x"]
        assert word["x"] + word["width"] <= line["x"] + line["width"] + 3
        assert frame["x"] - 3 <= line["x"]
        assert line["y"] + line["height"] <= frame["y"] + frame["height"] + 3
    await first.locator(".lines li").first.hover()
    await expect(first.locator(".boxes .line.marked")).to_have_count(1)


async def test_a_search_is_in_the_address_and_back_is_back(page: Page, samples: Sandbox) -> None:
    await search(page, samples, "ocr:士林夜市")
    await page.get_by_role("searchbox").fill("ocr:统一发票")
    await page.get_by_role("button", name="Search").click()
    await expect(page.locator(".name").first).to_have_text("uniform-invoice-taipei.jpg")
    await page.go_back()
    await expect(page.locator(".name").first).to_have_text("night-market.jpg")
    await expect(page.get_by_role("searchbox")).to_have_value("ocr:士林夜市")


async def test_nobody_sees_photos_that_are_not_theirs(browser: Browser, samples: Sandbox) -> None:
    """Each finds the same words in other photos; neither finds the other's."""
    found = []
    for email in (samples.known["email"], MEI):
        context = await entered(browser, samples, email)
        page = await context.new_page()
        await search(page, samples, "ocr:茶")
        found.append(set(await page.locator(".name").all_inner_texts()))
        await context.close()
    assert "tea-restaurant.jpg" in found[1]
    assert not found[1] & (found[0] - {"tea-restaurant.jpg"})
    url = f"{samples.known['companion']}aio/api/search?q=茶"
    assert (await ask(url)).status == 401


async def test_administrators_see_how_each_part_stands(page: Page, samples: Sandbox) -> None:
    await page.goto(f"{samples.known['companion']}aio")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Everything is well")
    cards = page.locator(".card:has(.state)")
    assert await cards.locator("h2").all_inner_texts() == [
        "Immich",
        "Text index",
        "Meaning (CLIP)",
        "Gateway",
        "Job queues (Redis)",
    ]
    for fact in ("3.1.0", "ViT-B-32__openai", "512", "rjieba", "hnsw"):
        await expect(page.get_by_text(fact, exact=True).first).to_be_visible()
    queues = await page.locator("#queues th").all_inner_texts()
    assert queues[:3] == ["thumbnails", "OCR", "smart search"]


async def test_others_do_not(browser: Browser, samples: Sandbox) -> None:
    context = await entered(browser, samples, MEI)
    page = await context.new_page()
    await page.goto(f"{samples.known['companion']}aio/")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("for Immich's admin")
    assert await page.locator(".card:visible").count() == 0
    await page.goto(f"{samples.known['companion']}aio/search?q=茶")
    await page.locator(".result").first.wait_for()
    await expect(page.get_by_role("link", name="status")).to_be_hidden()
    await context.close()


async def test_who_has_not_logged_in_is_sent_to_immichs_login(
    browser: Browser, samples: Sandbox
) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    for path in ("aio/", "aio/search"):
        await page.goto(samples.known["companion"] + path)
        await expect(page.get_by_label("Password")).to_be_visible()
    await context.close()


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_on_a_phone_nothing_scrolls_sideways(
    page: Page, samples: Sandbox, colours: str
) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.emulate_media(color_scheme="dark" if colours == "dark" else "light")
    for path in PAGES:
        await page.goto(samples.known["companion"] + path)
        await page.locator(".card").first.wait_for()
        assert await page.evaluate(SIDEWAYS) <= 0


async def test_both_speak_chinese_where_immich_does(page: Page, samples: Sandbox) -> None:
    await page.goto(samples.known["companion"] + PAGES[1])
    for language, words, whole in (
        ("zh-CN", "照片为何被找到", "整词"),
        ("zh_Hant", "相片為何被找到", "整詞"),
    ):
        await page.evaluate("code => localStorage.setItem('lang', code)", language)
        await page.goto(samples.known["companion"] + PAGES[1])
        await expect(page.get_by_role("heading", level=1)).to_contain_text(words)
        await expect(page.locator(".result td.whole").first).to_have_text(whole)
    await page.goto(samples.known["companion"] + PAGES[0])
    await expect(page.get_by_role("heading", level=1)).to_have_text("一切正常")
    await page.evaluate("localStorage.removeItem('lang')")

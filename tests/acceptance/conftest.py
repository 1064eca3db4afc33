"""The real product in a process of its own, and a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.acceptance.product import Service, running
from tests.acceptance.sandboxes import Sandbox, sandbox

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)


@pytest.fixture(scope="session")
def ai_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Both services with a key of their own, as ``immich-aio serve`` starts them."""
    folder = tmp_path_factory.mktemp("product") / "empty"
    workers = {"OCR_WORKERS": "2"}  # on a machine of many cores, too, some images must wait
    with running(folder, workers) as service:
        yield service
        service.stop()


@pytest.fixture(scope="session")
def samples(open_folder: Path) -> Iterator[Sandbox]:
    """A sandbox of the sample library, read by the real OCR; it ends as Ctrl-C ends it."""
    with sandbox(open_folder / "samples") as made:
        made.wait_for("Ready after")
        yield made
        made.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A Chromium without a window; set AIO_CHROMIUM to choose which."""
    async with async_playwright() as playwright:
        path = chromium(playwright.chromium.executable_path)
        opened = await playwright.chromium.launch(executable_path=path, args=FLAGS.split())
        yield opened
        await opened.close()


def chromium(downloaded: str) -> str:
    """The first Chromium there is; a machine without one fails, for nothing may pass untested."""
    for name in (os.environ.get("AIO_CHROMIUM"), *BROWSERS):
        if name and (found := shutil.which(name)):
            return found
    if Path(downloaded).is_file():
        return downloaded
    pytest.fail(
        "The page is tested in a real Chromium and there is none. Run './aio test', which installs "
        "it, or 'apt install chromium', or 'playwright install chromium'; or set AIO_CHROMIUM."
    )

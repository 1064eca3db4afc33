"""A gateway alone, as ``serve --roles gateway`` starts it, over servers in other processes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, Page, expect

from bench.fault_matrix import Backend, photo_file
from tests.acceptance.product import Service, run, running
from tests.integration.services.gateways import FACES, OCR, VISUAL, predict
from tests.integration.services.live import ask

KEY = "the-gateways-own"
PHOTO = photo_file(2000)
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 780}
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def backends() -> Iterator[tuple[Backend, Backend, Backend]]:
    """Two servers of MT-Photos' protocol, and one of Immich's."""
    made = Backend(), Backend(), Backend()
    yield made
    for backend in made:
        backend.kill()


@pytest.fixture(scope="module")
def config(backends: tuple[Backend, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    npu, nas, immich = (backend.url for backend in backends)
    file = tmp_path_factory.mktemp("config") / "gateway.toml"
    file.write_text(f"""
        [backends]
        npu = {{ kind = "mt-photos", url = "{npu}", clip_model = "ViT-B-16", weight = 2 }}
        nas = {{ kind = "mt-photos", url = "{nas}", clip_model = "ViT-B-16", key = "hush" }}
        immich = {{ kind = "immich", url = "{immich}" }}

        [[routes]]
        task = "ocr"
        order = [["npu", "nas"]]

        [[routes]]
        task = "clip"
        model = "ViT-B-32__openai"
        order = ["nas", "npu"]

        [[routes]]
        order = ["immich"]
    """)
    return file


@pytest.fixture(scope="module")
def service(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = {"GATEWAY_CONFIG": str(config), "GATEWAY_KEY": KEY, "LOG_FORMAT": "json"}
    folder = tmp_path_factory.mktemp("gateway") / "empty"
    with running(folder, settings, roles="gateway") as made:
        yield made
        made.stop()


def address(service: Service) -> str:
    """What is entered in Immich."""
    return f"{service.gateway_url}key/{KEY}"


async def until_well(service: Service) -> None:
    """Until every backend has answered a ping."""
    async with asyncio.timeout(30):
        while True:
            status = (await ask(f"{address(service)}/status")).json
            if all(backend["reachable"] for backend in status["backends"]):
                return
            await asyncio.sleep(0.1)  # between two looks


async def test_every_task_is_done_where_the_file_says(service: Service) -> None:
    await until_well(service)
    reply = await predict(address(service), {**OCR, **VISUAL, **FACES}, image=PHOTO)
    assert reply.status == 200, reply.body
    assert reply.json.keys() == {"ocr", "clip", "facial-recognition", "imageHeight", "imageWidth"}
    status = (await ask(f"{address(service)}/status")).json
    answered = {
        (backend["name"], task["task"]): task["answered"]
        for backend in status["backends"]
        for task in backend["tasks"]
        if task["answered"]
    }
    assert answered.keys() == {("npu", "ocr"), ("nas", "clip-image"), ("immich", "faces")}


async def test_a_killed_server_is_missed_for_no_request(
    service: Service, backends: tuple[Backend, ...]
) -> None:
    await until_well(service)
    backends[0].kill()
    try:
        replies = [await predict(address(service), OCR, image=PHOTO) for _ in range(6)]
    finally:
        backends[0].start()
    assert {reply.status for reply in replies} == {200}


async def test_the_log_is_json_with_the_requests_id_and_no_key(service: Service) -> None:
    headers = {"X-Request-ID": "a-trace-of-ours"}
    form = aiohttp.FormData({"entries": json.dumps(FACES)}, default_to_multipart=True)
    await ask(f"{address(service)}/predict", "POST", headers=headers, data=form)
    lines = [json.loads(line) for line in service.log().splitlines()]
    assert {"time", "level", "message"} <= lines[0].keys()
    assert any("ocr → npu and nas" in line["message"] for line in lines)
    assert "hush" not in service.log()
    assert KEY not in service.log()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_the_page_shows_how_every_backend_stands(
    service: Service, backends: tuple[Backend, ...], browser: Browser, viewport: dict[str, int]
) -> None:
    await until_well(service)
    async for page in opened(browser, address(service) + "/", viewport):
        await expect(page.locator("h1")).to_have_text("All backends are well", timeout=15_000)
        await expect(page.locator(".backend h3")).to_have_text(["npu", "nas", "immich"])
        await expect(page.locator(".routes li").last).to_contain_text("everything else")
        assert await page.evaluate(SIDEWAYS) == 0
        backends[1].kill()
        try:
            assert (await predict(address(service), VISUAL, image=PHOTO)).status == 200
            await expect(page.locator("h1")).to_have_text("nas cannot be reached", timeout=30_000)
            await expect(page.locator(".reason").nth(1)).to_contain_text("Connection refused")
        finally:
            backends[1].start()


async def opened(browser: Browser, url: str, viewport: dict[str, int]) -> AsyncIterator[Page]:
    """The page; whatever it complains of is a failure."""
    context = await browser.new_context(viewport=viewport)  # type: ignore[arg-type]
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    await page.goto(url)
    yield page
    await context.close()
    assert complaints == []


async def test_the_page_says_so_when_the_gateway_is_gone(
    config: Path, browser: Browser, tmp_path: Path
) -> None:
    with running(tmp_path / "gone", {"GATEWAY_CONFIG": str(config)}, roles="gateway") as made:
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(made.gateway_url)
        await expect(page.locator(".backend")).to_have_count(3)
        made.stop()
        await expect(page.locator("h1")).to_have_text("The gateway does not answer", timeout=15_000)
        await context.close()


# ---- doctor, and mistakes


async def test_doctor_prints_who_does_what_and_asks_every_backend(
    config: Path, backends: tuple[Backend, ...], tmp_path: Path
) -> None:
    done = run(tmp_path, "doctor", GATEWAY_CONFIG=str(config), COLUMNS="200")
    assert "ocr → npu and nas" in done.stdout
    assert "clip (ViT-B-32__openai) → nas, else npu" in done.stdout
    assert "everything else → immich" in done.stdout
    for backend in backends:
        assert f"{backend.url} answers" in done.stdout
    assert "hush" not in done.stdout


async def test_a_mistake_in_the_file_ends_the_start_and_names_its_place(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[backends.x]\nkind = "immich"\nurl = "http://x"\n[[routes]]\norder = ["y"]\n')
    done = run(tmp_path, "serve", "--roles", "gateway", GATEWAY_CONFIG=str(file))
    assert done.returncode == 1
    assert "routes[0].order: there is no [backends.y]; there are x." in done.stderr
    assert "Traceback" not in done.stderr


async def test_an_engine_in_the_file_of_a_gateway_alone_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[backends.here]\nkind = "engine"\n[[routes]]\norder = ["here"]\n')
    done = run(tmp_path, "serve", "--roles", "gateway", GATEWAY_CONFIG=str(file))
    assert done.returncode == 1
    assert "start with the role 'ai' as well" in done.stderr


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", "--roles", "gateway", GATEWAY_CONFIG="absent.toml")
    assert done.returncode == 1
    assert "GATEWAY_CONFIG: absent.toml cannot be read: No such file" in done.stderr

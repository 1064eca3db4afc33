"""Searching through the companion: real processes, some of which are killed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import psycopg

from tests.acceptance.product import running
from tests.acceptance.sandboxes import Sandbox
from tests.integration.services.live import Reply, ask

INVOICES = {"invoice-hangzhou.jpg", "invoice-hotel.jpg", "uniform-invoice-taipei.jpg"}
OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'a companion'
"""


async def search(sandbox: Sandbox, url: str, path: str = "smart", **body: object) -> Reply:
    headers = {"x-api-key": sandbox.known["api_key"], "content-type": "application/json"}
    headers["accept-encoding"] = "identity"
    return await ask(f"{url}api/search/{path}", "POST", headers=headers, data=json.dumps(body))


def items(reply: Reply) -> list[dict[str, Any]]:
    assert reply.status == 200, reply.body
    found = reply.json["assets"]["items"]
    assert isinstance(found, list)
    return found


def names(reply: Reply) -> list[str]:
    return [item["originalFileName"] for item in items(reply)]


async def ready(url: str) -> None:
    """Return when search works there."""
    async with asyncio.timeout(60):
        while True:
            reply = await ask(f"{url}aio/metrics")
            if b"immich_aio_search_ready 1.0" in reply.body:
                return
            await asyncio.sleep(0.05)  # it tells nobody


async def test_the_sandboxs_first_address_understands_ocr(samples: Sandbox) -> None:
    companion = samples.known["companion"]
    await ready(companion)
    found = names(await search(samples, companion, query="ocr:发票"))
    assert set(found[:3]) == INVOICES
    assert names(await search(samples, companion, "metadata", ocr="ocr:發票"))[:3] == found[:3]


async def test_every_asset_of_the_samples_is_written_as_immich_writes_it(samples: Sandbox) -> None:
    companion, immich = samples.known["companion"], samples.known["sandbox"]
    await ready(companion)
    for with_exif in (True, False):
        asked = {"query": "a forest", "withExif": with_exif, "size": 1000}
        ours = items(await search(samples, companion, **asked))
        theirs = items(await search(samples, immich, **asked))
        assert {item["id"]: item for item in ours} == {item["id"]: item for item in theirs}


async def test_the_gateway_and_the_databases_connections_may_die_while_searches_come(
    samples: Sandbox, tmp_path: Path
) -> None:
    """Each is answered, with the invoices first: by us, or as long as we cannot, by Immich."""
    known = samples.known
    behind = {"IMMICH_API": known["gateway"]}
    with running(tmp_path / "gateway", behind, roles="gateway") as gateway:
        settings = {
            "IMMICH_URL": known["sandbox"].rstrip("/"),
            "DB_URL": f"{known['database']}?application_name=a%20companion",
            "SEARCH_ML_URL": gateway.gateway_url,
        }
        with running(tmp_path / "companion", settings, roles="companion") as companion:
            url = companion.companion_url
            await ready(url)
            done = asyncio.Event()
            callers = [asyncio.create_task(_search_until(done, samples, url)) for _ in range(3)]
            await _killing(known["database"])
            gateway.process.kill()
            await _killing(known["database"])
            await ready(url)
            done.set()
            assert sum(await asyncio.gather(*callers)) > 10
            whole = names(await search(samples, url, query="发票"))
            assert set(whole[:4]) >= INVOICES
            assert len(whole) == len(set(whole)) > 50  # what follows is Immich's
            companion.stop()


async def _killing(database: str) -> None:
    """End all of the companion's connections to the database, a few times."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        for _ in range(5):
            await connection.execute(OTHERS)
            await asyncio.sleep(0.2)


async def _search_until(done: asyncio.Event, sandbox: Sandbox, url: str) -> int:
    count = 0
    while not done.is_set():
        found = names(await search(sandbox, url, query="ocr:发票"))
        assert {"invoice-hangzhou.jpg", "invoice-hotel.jpg"} <= set(found[:4])
        count += 1
    return count

"""What people do at the companion all the while: they search, look, upload, correct and delete."""

from __future__ import annotations

import asyncio
import io
import json
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import psycopg
from PIL import Image, ImageDraw, ImageFont

from bench.soak_load import Pace
from bench.soak_parts import COMPANION
from bench.soak_record import Record
from bench.soak_stand import Stand, until

FOUND = 600.0
"""Seconds in which a change of the library must be found."""
LOOK = 0.5
"""Seconds between two looks whether it is."""

SEARCHES = (
    ("ocr:发票", ("invoice-hangzhou.jpg",)),
    ("ocr:58214736", ("invoice-hangzhou.jpg",)),
    ("ocr:斷橋", ("bridge-sign.jpg",)),
    ("ocr:exit", ("exit.jpg",)),
    ("ocr:flat white", ("coffee.jpg",)),
    ('"西湖春天"', ("invoice-hangzhou.jpg",)),
    ("请勿攀爬", ("bridge-sign.jpg",)),
    ("banana bread", ("coffee.jpg",)),
)
"""What is searched, and what must be among the first results."""
PAUSES = {"search": 2.0, "thumbnail": 1.0, "library": 12.0}
FORGET = 'DELETE FROM asset_ocr WHERE "assetId" = %s'
WRITE = """
INSERT INTO asset_ocr ("assetId", x1, y1, x2, y2, x3, y3, x4, y4, "boxScore", "textScore", text)
VALUES (%s, 0.1, 0.1, 0.9, 0.1, 0.9, 0.2, 0.1, 0.2, 0.95, 0.95, %s)
"""
DONE = """
SELECT FROM smart_search JOIN asset_job_status USING ("assetId")
WHERE "assetId" = %s AND "facesRecognizedAt" IS NOT NULL AND "ocrAt" IS NOT NULL
"""
DELETE = "DELETE FROM asset WHERE id = %s"


class People:
    """They ask the companion only, and change the database as Immich would."""

    def __init__(self, stand: Stand, record: Record, seed: int) -> None:
        self._stand = stand
        self._record = record
        self._seed = seed
        self._url = f"{stand[COMPANION].url}/api"
        self._headers = {"x-api-key": stand.known["api_key"]}
        self._limit = aiohttp.ClientTimeout(stand.scale.patience)
        self._thumbnails: dict[str, bytes] = {}
        self._uploaded = 0

    async def learn(self) -> None:
        """Search and look once. Raises AssertionError where that does not work."""
        for query, wanted in SEARCHES:
            found = await self._search(query)
            assert set(wanted) <= set(list(found)[:2]), f"{query}: {found}"  # as in Load
        for asset in (await self._search("发票")).values():
            self._thumbnails[asset] = await self._thumbnail(asset)

    def callers(self, pace: Pace) -> list[asyncio.Task[None]]:
        """One for each kind of thing."""
        ways = {"search": self._search_once, "thumbnail": self._look_once, "library": self._change}
        made = []
        for number, (kind, pause) in enumerate(PAUSES.items()):
            chance = random.Random(self._seed * 1000 + number)
            one = self._counted(kind, ways[kind], chance)
            made.append(asyncio.create_task(pace.repeat(chance, pause, one)))
        return made

    def _counted(
        self, kind: str, way: Callable[[random.Random], Awaitable[str]], chance: random.Random
    ) -> Callable[[], Awaitable[None]]:
        async def one() -> None:
            self._record.jobs[kind] += 1
            began = time.monotonic()
            try:
                fault = await way(chance)
            except (aiohttp.ClientError, TimeoutError, psycopg.Error) as error:
                self._record.lose(kind, repr(error))
                return
            if fault:
                self._record.err(kind, fault)
            else:
                self._record.right(kind, time.monotonic() - began)

        return one

    async def _search_once(self, chance: random.Random) -> str:
        query, wanted = chance.choice(SEARCHES)
        found = list(await self._search(query))
        return "" if set(wanted) <= set(found[:2]) else f"{query}: {found[:5]}"

    async def _look_once(self, chance: random.Random) -> str:
        asset, first = chance.choice(list(self._thumbnails.items()))
        return "" if await self._thumbnail(asset) == first else f"another thumbnail of {asset}"

    async def _change(self, chance: random.Random) -> str:
        """Upload, find; have another text, find that; have it read again; delete, find no more."""
        self._uploaded += 1
        number, other = (str(chance.randrange(10**7, 10**8)) for _ in range(2))
        asset = await self._upload(number)
        await self._until_found(number, asset, True)
        await self._run((FORGET, (asset,)), (WRITE, (asset, f"order {other}")))
        await self._until_found(other, asset, True)
        await self._post("/assets/jobs", {"assetIds": [asset], "name": "refresh-ocr"})
        await self._until_found(number, asset, True)
        await self._until_found(other, asset, False)
        await self._until_done(asset)  # else Immich would fail at what is gone
        await self._run((DELETE, (asset,)))
        await self._until_found(number, asset, False)
        return ""

    async def _until_found(self, number: str, asset: str, wanted: bool) -> None:
        end = time.monotonic() + FOUND
        while (asset in (await self._search(f'ocr:"{number}"')).values()) is not wanted:
            if time.monotonic() > end:
                raise TimeoutError(f"{number} is {'not ' if wanted else ''}found after {FOUND:g} s")
            await asyncio.sleep(LOOK)

    async def _until_done(self, asset: str) -> None:
        async def done() -> bool:
            async with await psycopg.AsyncConnection.connect(self._stand.known["database"]) as to:
                return (await (await to.execute(DONE, (asset,))).fetchone()) is not None

        await until(done, f"Immich's jobs for {asset} are done", FOUND)

    async def _upload(self, number: str) -> str:
        form = aiohttp.FormData(default_to_multipart=True)
        now = "2026-11-26T10:00:00.000Z"
        form.add_field("fileCreatedAt", now)
        form.add_field("fileModifiedAt", now)
        form.add_field("assetData", io.BytesIO(order(number)), filename=f"order-{number}.jpg")
        return str((await self._post("/assets", form))["id"])

    async def _search(self, query: str) -> dict[str, str]:
        """File names and assets that are found, the first first."""
        reply = await self._post("/search/smart", {"query": query, "size": 20})
        return {one["originalFileName"]: one["id"] for one in reply["assets"]["items"]}

    async def _thumbnail(self, asset: str) -> bytes:
        url = f"{self._url}/assets/{asset}/thumbnail"
        async with self._stand.session.get(
            url, headers=self._headers, timeout=self._limit
        ) as response:
            response.raise_for_status()
            return await response.read()

    async def _post(self, path: str, body: aiohttp.FormData | dict[str, Any]) -> dict[str, Any]:
        form = body if isinstance(body, aiohttp.FormData) else json.dumps(body)
        kind = {} if isinstance(body, aiohttp.FormData) else {"content-type": "application/json"}
        async with self._stand.session.post(
            self._url + path,
            data=form,
            headers=self._headers | kind,
            timeout=self._limit,
        ) as response:
            if response.status >= 400:
                told = (await response.text())[:300]
                raise aiohttp.ClientError(f"{path}: {response.status} {told}")
            reply: dict[str, Any] = json.loads(await response.read() or b"{}")
            return reply

    async def _run(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        """In one transaction, as Immich's worker does."""
        async with await psycopg.AsyncConnection.connect(self._stand.known["database"]) as to:
            for sql, values in statements:
                await to.execute(sql, values)


def order(number: str) -> bytes:
    """A photo of a slip of paper with a number."""
    image = Image.new("RGB", (640, 400), "white")
    draw = ImageDraw.Draw(image)
    draw.text((40, 60), "ORDER", "black", ImageFont.load_default(64))
    draw.text((40, 180), number, "black", ImageFont.load_default(80))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()

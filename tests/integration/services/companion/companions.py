"""A companion that searches, before a miniature of Immich; a road to its database that breaks."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import SecretStr

from immich_aio.cli.companion_neighbours import Closing, Neighbours
from immich_aio.cli.companion_search import SearchFeature, search_feature
from immich_aio.domain.immich import Visibility
from immich_aio.services.companion.app import create_app
from immich_aio.services.companion.companion import Companion, CompanionConfig, Features
from immich_aio.services.companion.keeper_status import State
from immich_aio.services.http.metrics import Metrics
from immich_aio.settings import Settings
from immich_aio.upstream.immich_api import ImmichApi
from tests.integration.services.live import Reply, ask, live
from tests.integration.services.sandbox.mini import MOMENT, Mini, User
from tests.integration.services.sandbox.ml_server import CORNERS, MlServer

DAY = timedelta(days=1)
PATIENCE = 20.0
"""Seconds after which something that is waited for will not come."""
Who = User | dict[str, str]
"""Somebody with a session, or the headers of a request."""


@dataclass
class Searching:
    """A companion that is served, and the miniature behind it."""

    url: str
    mini: Mini
    feature: SearchFeature

    async def ask(self, path: str, user: Who, body: object) -> Reply:
        """What the companion answers to a search."""
        return await _posted(self.url, path, user, body)

    async def immichs(self, path: str, user: Who, body: object) -> Reply:
        """What Immich itself answers."""
        return await _posted(self.mini.url, path, user, body)

    async def names(self, user: Who, path: str = "smart", **body: object) -> list[str]:
        """The names of what is found, in order."""
        reply = await self.ask(path, user, body)
        assert reply.status == 200, reply.body
        return [item["originalFileName"] for item in reply.json["assets"]["items"]]

    async def same(self, path: str, user: Who, body: object) -> Reply:
        """The reply, which must be Immich's own: the same status, and the same JSON."""
        ours, theirs = await self.ask(path, user, body), await self.immichs(path, user, body)
        assert (ours.status, _plain(ours)) == (theirs.status, _plain(theirs)), body
        return ours

    async def ready(self) -> None:
        """Return when search works."""
        await self.comes_to(State.READY)

    async def comes_to(self, state: State) -> None:
        """Return when search stands so."""
        keeper = self.feature.keeper
        async with asyncio.timeout(PATIENCE):
            while keeper.status().state is not state:  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.01)
        assert keeper.is_ready is (state is State.READY)

    @contextlib.asynccontextmanager
    async def counting(self, outcome: str, number: int) -> AsyncIterator[None]:
        """So many searches must end so meanwhile, by the metrics."""
        before = await self._counted(outcome)
        yield
        assert await self._counted(outcome) - before == number

    async def _counted(self, outcome: str) -> float:
        text = (await ask(f"{self.url}/aio/metrics")).body.decode()
        line = f'immich_aio_search_seconds_count{{outcome="{outcome}"}} '
        found = [one.removeprefix(line) for one in text.splitlines() if one.startswith(line)]
        return float(found[0]) if found else 0.0


@contextlib.asynccontextmanager
async def searching(
    mini: Mini, ml: MlServer | None, *, immich: str | None = None, **settings: object
) -> AsyncIterator[Searching]:
    """A companion of these settings, whose search works; ``immich`` is another address of it."""
    chosen: dict[str, object] = {
        "immich_url": immich or mini.url,
        "db_url": SecretStr(mini.data.database.url),
        "search_ml_url": ml.url if ml else None,
        "search_sync_interval": 0.1,
        "search_segmenter": "rjieba",
        **settings,
    }
    made = Settings.load(None).model_copy(update=chosen)
    metrics, api = Metrics("companion"), ImmichApi(made.immich_url, made.companion_timeout)
    feature = search_feature(made, metrics, api, Neighbours())
    features = Features((feature.interceptor,), parts=(Closing(api), *feature.parts))
    config = CompanionConfig(made.immich_url, made.companion_timeout)
    async with live(create_app(Companion(config, features, metrics))) as url:
        one = Searching(url, mini, feature)
        if made.db_url is not None:
            await one.ready()
        yield one


async def filled(mini: Mini) -> User:
    """Photos with text, with looks, with both and with neither; one of a partner."""
    user, partner = await mini.user(), await mini.user("mei", admin=False)
    exif = {"city": "Hangzhou", "make": "Apple", "rating": 4, "latitude": 30.25, "fNumber": 1.8}
    await mini.asset(user, "invoice.jpg", exif=exif, vector="paper", taken=MOMENT + DAY)
    await mini.asset(user, "hotel.png", vector="house", taken=MOMENT + 2 * DAY, isFavorite=True)
    await mini.asset(user, "scan.heic", taken=MOMENT + 3 * DAY)
    await mini.asset(user, "sea.jpg", vector="sea", thumbhash=b"\x01\x02")
    await mini.asset(user, "film.mp4", vector="film", type="VIDEO")
    await mini.asset(user, "archived.jpg", vector="attic", visibility=Visibility.ARCHIVE)
    await mini.asset(user, "locked.jpg", vector="safe", visibility=Visibility.LOCKED)
    await mini.asset(partner, "theirs.jpg", vector="garden", isFavorite=True)
    await mini.partner(partner, user, in_timeline=True)
    await read(mini, "invoice.jpg", "增值税电子普通发票", "杭州")
    await read(mini, "hotel.png", "酒店 发票")
    await read(mini, "scan.heic", "invoice 发票 发票")
    await read(mini, "locked.jpg", "发票")
    await read(mini, "theirs.jpg", "花园")
    return user


async def read(mini: Mini, name: str, *lines: str) -> UUID:
    """Have Immich's OCR read these lines on an asset."""
    asset_id, scores = mini.names[name], [0.95] * len(lines)
    await mini.data.run("forget_lines", id=asset_id)
    await mini.data.run(
        "add_lines",
        id=asset_id,
        texts=list(lines),
        box_scores=scores,
        text_scores=scores,
        boxes=CORNERS * len(lines),
    )
    await mini.data.run("ocr_done", id=asset_id)
    return asset_id


class Road:
    """A port that leads to a database: while ``broken`` nobody comes in and all inside are out,
    while ``blocked`` nothing moves.
    """

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """The database's address by this road."""
        login = self._url.netloc.rpartition("@")[0]
        return self._url._replace(netloc=f"{login}@127.0.0.1:{self.port}").geturl()

    async def mend(self) -> None:
        """Let everybody through."""
        self._open.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._lead, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def break_(self) -> None:
        """As when the server is killed."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._writers):
            writer.transport.abort()
        self._open.set()

    def block(self) -> None:
        """As when the server is stopped, or its machine is gone."""
        self._open.clear()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._url.hostname, self._url.port)
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        self._writers.discard(writer)
        writer.close()


@contextlib.asynccontextmanager
async def road_to(url: str) -> AsyncIterator[Road]:
    """A road that is open at first."""
    road = Road(url)
    await road.mend()
    try:
        yield road
    finally:
        await road.break_()


async def _posted(url: str, path: str, user: Who, body: object) -> Reply:
    headers = user.by_session if isinstance(user, User) else user
    data = body if isinstance(body, bytes) else json.dumps(body)
    headers = {"content-type": "application/json", "accept-encoding": "identity", **headers}
    return await ask(f"{url}/api/search/{path}", "POST", headers=headers, data=data)


def _plain(reply: Reply) -> object:
    """A reply without the number that is another one each time."""
    found = reply.json
    if isinstance(found, dict):
        found.pop("correlationId", None)
    return found

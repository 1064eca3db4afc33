"""The companion as its users have it: in a process of its own, and before the sandbox's Immich."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import psutil
import pytest
import socketio

from immich_aio.services.companion.html import SCRIPT
from immich_aio.services.sandbox.embedded.free_port import free_port
from tests.acceptance.product import running
from tests.acceptance.sandboxes import Sandbox
from tests.integration.services.companion.wires import (
    Wire,
    exchanged,
    get,
    head_of,
    reply,
    scripted,
    wire,
)
from tests.integration.services.live import ask

MB = 1_000_000
LARGE = 400 * MB


# ---- The sandbox stands behind it


async def test_the_address_to_open_is_the_companions_and_has_our_script(samples: Sandbox) -> None:
    assert f"Open       {samples.known['companion']}" in samples.log()
    page = await ask(samples.known["companion"], headers={"Accept": "text/html"})
    assert page.status == 200
    assert page.body.count(SCRIPT) == 1
    assert SCRIPT not in (await ask(samples.known["sandbox"])).body
    source = SCRIPT.decode().split('"')[1]
    script = await ask(samples.known["companion"].rstrip("/") + source)
    assert script.status == 200
    assert "javascript" in script.headers["content-type"]


UNCHANGED = [
    "api/server/version",
    "api/server/features",
    "api/users/me",
    "API/Users/Me/",
    "api/nothing",
    "_app/sandbox.js",
]


@pytest.mark.parametrize("path", UNCHANGED)
async def test_immichs_own_replies_come_through_as_they_are(samples: Sandbox, path: str) -> None:
    headers = {"x-api-key": samples.known["api_key"]}
    direct, through = [
        await ask(f"{samples.known[side]}{path}", headers=headers)
        for side in ("sandbox", "companion")
    ]
    assert through.status == direct.status
    assert _lasting(through.headers) == _lasting(direct.headers)
    if direct.status == 200:
        assert through.body == direct.body


def _lasting(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that are the same at every request."""
    varying = {"date", "x-correlation-id"}
    lowered = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in lowered.items() if name not in varying}


async def test_a_login_and_the_websocket_work_through_it(samples: Sandbox) -> None:
    """As the web does it: by cookies, and with a socket that is told the version."""
    url = samples.known["companion"]
    credentials = {name: samples.known[name] for name in ("email", "password")}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.post(f"{url}api/auth/login", json=credentials) as response:
            assert response.status == 201
            assert len(response.headers.getall("Set-Cookie")) == 3
            token = (await response.json())["accessToken"]
        async with session.get(f"{url}api/users/me") as response:
            assert (await response.json())["email"] == credentials["email"]
    told: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    client = socketio.AsyncClient()
    client.on("on_server_version", told.set_result)
    await client.connect(
        url,
        headers={"Authorization": f"Bearer {token}"},
        socketio_path="/api/socket.io",
        transports=["websocket"],
    )
    async with asyncio.timeout(20):
        assert (await told)["major"] == 3  # type: ignore[index]
    await client.disconnect()


# ---- In a process of its own


async def _taken_in(one: Wire, _number: int) -> None:
    """Tells how much of an upload has come."""
    size = 0
    await head_of(one)
    while size < LARGE:
        size += len(await one.reader.read(1 << 20))
    await one.say(reply(json.dumps(size).encode()))


async def test_a_large_upload_leaves_memory_where_it_was(tmp_path: Path) -> None:
    async with scripted(_taken_in) as immich:
        with running(tmp_path / "empty", {"IMMICH_URL": immich}, roles="companion") as service:
            process = psutil.Process(service.process.pid)
            before = process.memory_info().rss
            most, piece = 0, bytes(MB)
            async with wire(service.companion_url.rstrip("/")) as one:
                await one.say(get("/api/assets", f"Content-Length: {LARGE}", method="POST"))
                for _ in range(LARGE // MB):
                    await one.say(piece)
                    most = max(most, process.memory_info().rss)
                assert json.loads((await one.answer("POST")).body) == LARGE
            assert most < before + 20 * MB
            service.stop()


async def test_it_serves_without_immich_and_from_the_moment_that_immich_is_there(
    tmp_path: Path,
) -> None:
    async def greet(one: Wire, _number: int) -> None:
        while await head_of(one):
            await one.say(reply(b"hello"))

    port = free_port()
    settings = {"IMMICH_URL": f"http://127.0.0.1:{port}"}
    with running(tmp_path / "empty", settings, roles="companion") as service:
        url = service.companion_url.rstrip("/")
        assert (await exchanged(url, get("/api/server/ping"))).status == 502
        async with scripted(greet, port):
            assert (await exchanged(url, get("/api/server/ping"))).body == b"hello"
        assert (await exchanged(url, get("/api/server/ping"))).status == 502
        service.stop()
        assert service.log().count("Requests are answered 502 until it is back.") == 2
        assert service.log().count("Immich is back.") == 1

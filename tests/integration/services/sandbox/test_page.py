"""What stands in the place of Immich's web, and its WebSocket."""

from __future__ import annotations

import asyncio

import pytest
import socketio
import socketio.exceptions

from tests.integration.services.live import ask
from tests.integration.services.sandbox.mini import Mini, User


async def test_every_path_but_the_apis_is_the_page(newest: Mini) -> None:
    pages = [await ask(newest.url + path) for path in ("/", "/photos", "/search?query=x", "/a.js")]
    assert {page.status for page in pages} == {200}
    assert len({page.body for page in pages}) == 1
    assert pages[0].body.count(b"</head>") == 1
    assert (await ask(newest.url + "/api")).status == 404
    assert (await ask(newest.url + "/photos", "POST")).status == 404
    for name in ("sandbox.js", "sandbox.css"):
        assert (await ask(f"{newest.url}/_app/{name}")).body.startswith((b"//", b":root"))


async def test_the_page_is_answered_304_to_its_own_tag(newest: Mini) -> None:
    first = await ask(newest.url + "/photos")
    assert first.headers["Cache-Control"] == "no-store"
    again = await ask(newest.url + "/photos", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    other = await ask(newest.url + "/photos", headers={"If-None-Match": '"other"'})
    assert other.status == 200


async def connected(newest: Mini, user: User | None) -> socketio.AsyncClient:
    client = socketio.AsyncClient(reconnection=False)
    headers = {"cookie": f"immich_access_token={user.token}"} if user else {}
    await client.connect(
        newest.url, headers=headers, transports=["websocket"], socketio_path="/api/socket.io"
    )
    return client


async def test_whoever_is_connected_is_told_the_version(newest: Mini) -> None:
    client = socketio.AsyncClient(reconnection=False)
    heard: asyncio.Queue[object] = asyncio.Queue()
    client.on("on_server_version", heard.put)
    user = await newest.user()
    headers = {"cookie": f"immich_access_token={user.token}"}
    await client.connect(
        newest.url, headers=headers, transports=["websocket"], socketio_path="/api/socket.io"
    )
    assert await heard.get() == {"major": 3, "minor": 1, "patch": 0, "prerelease": None}
    await client.disconnect()


async def test_an_owner_hears_of_their_new_photo_and_nobody_else_does(newest: Mini) -> None:
    user, other = await newest.user(), await newest.user("mei", admin=False)
    mine, theirs = await connected(newest, user), await connected(newest, other)
    heard: asyncio.Queue[dict[str, object]] = asyncio.Queue()
    overheard: asyncio.Queue[object] = asyncio.Queue()
    mine.on("on_upload_success", heard.put)
    theirs.on("on_upload_success", overheard.put)
    photo = await newest.photo(user)
    await newest.work()
    told = await heard.get()
    assert told["id"] == str(photo)
    assert told["originalFileName"] == "photo.jpg"
    assert overheard.empty()
    await mine.disconnect()
    await theirs.disconnect()


async def test_nobody_is_connected_without_a_session(newest: Mini) -> None:
    with pytest.raises(socketio.exceptions.ConnectionError):
        await connected(newest, None)

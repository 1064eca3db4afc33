"""What breaks on either side is passed on as what it is, and nothing is left behind."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.responses import Response

from immich_aio.services.companion.asked import Asked, Instead
from immich_aio.services.companion.companion import Features
from tests.integration.services.companion.wires import (
    PATIENCE,
    Wire,
    chunked,
    companion_before,
    exchanged,
    get,
    head_of,
    reply,
    scripted,
    wire,
)
from tests.integration.services.live import ask

MIB = 1024 * 1024
MUCH = 64 * MIB
"""More than sockets of loopback hold."""


# ---- Immich goes


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
)
async def test_a_reply_that_breaks_off_does_not_pass_for_a_whole_one(beginning: bytes) -> None:
    async def die(one: Wire, _number: int) -> None:
        await head_of(one)
        await one.say(beginning)

    async with scripted(die) as immich, companion_before(immich) as companion:
        answer = await exchanged(companion, get("/"))
    assert (answer.status, answer.body, answer.whole) == (200, b"half", False)


async def test_a_page_that_breaks_off_is_answered_502() -> None:
    """Nothing of it has been passed on, for our script was to come into it."""

    async def die(one: Wire, _number: int) -> None:
        await head_of(one)
        await one.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\n<ht")

    async with scripted(die) as immich, companion_before(immich) as companion:
        answer = await exchanged(companion, get("/", "Accept: text/html"))
    assert answer.status == 502
    assert answer.whole


async def test_while_immich_is_away_callers_are_told_to_come_back_and_then_it_answers() -> None:
    async def greet(one: Wire, _number: int) -> None:
        while await head_of(one):
            await one.say(reply(b"hello"))

    async with scripted(greet) as immich, companion_before(immich) as companion:
        async with wire(companion) as one:
            await one.say(get("/"))
            assert (await one.answer()).body == b"hello"
        port = int(immich.rpartition(":")[2])
    async with companion_before(immich) as companion, wire(companion) as one:
        await one.say(get("/api/x", "Content-Length: 3", method="POST"), b"abc")
        answer = await one.answer()
        assert answer.status == 502
        assert answer.header("retry-after") == ["5"]
        assert json.loads(answer.body)["statusCode"] == 502
        await one.say(get("/photos", "Accept: text/html,*/*"))
        answer = await one.answer()
        assert answer.status == 502
        assert b'http-equiv="refresh"' in answer.body
        metrics = (await ask(f"{companion}/aio/metrics")).body
        assert b"immich_aio_companion_immich_up 0.0" in metrics
        async with scripted(greet, port):
            await one.say(get("/"))
            assert (await one.answer()).body == b"hello"
        metrics = (await ask(f"{companion}/aio/metrics")).body
        assert b"immich_aio_companion_immich_up 1.0" in metrics


@pytest.mark.parametrize(
    "nonsense", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", b""]
)
async def test_what_is_no_reply_is_answered_502(nonsense: bytes) -> None:
    async def babble(one: Wire, _number: int) -> None:
        await head_of(one)
        await one.say(nonsense)

    async with scripted(babble) as immich, companion_before(immich) as companion:
        assert (await exchanged(companion, get("/"))).status == 502


@pytest.mark.parametrize(("method", "status", "asked"), [("GET", 200, 3), ("POST", 502, 2)])
async def test_what_is_lost_on_an_old_connection_is_asked_again_only_if_it_changes_nothing(
    method: str, status: int, asked: int
) -> None:
    """Immich may close a connection just as it is used once more."""
    heads = []

    async def forget(one: Wire, number: int) -> None:
        heads.append(await head_of(one))
        await one.say(reply(b"first"))
        if number == 0:
            heads.append(await head_of(one))

    async with scripted(forget) as immich, companion_before(immich) as companion:
        assert (await exchanged(companion, get("/"))).body == b"first"
        assert (await exchanged(companion, get("/", method=method))).status == status
    assert len(heads) == asked


async def test_what_immich_says_unasked_is_nobodys_reply() -> None:
    """Least of all that of whoever asks next."""

    async def babble(one: Wire, number: int) -> None:
        while await head_of(one):
            await one.say(reply(b"%d" % number) + reply(b"unasked")[:30])

    async with scripted(babble) as immich, companion_before(immich) as companion:
        bodies = [(await exchanged(companion, get("/"))).body for _ in range(3)]
    assert bodies == [b"0", b"1", b"2"]


async def test_a_connection_is_not_kept_longer_than_immich_keeps_it() -> None:
    """By what its Keep-Alive says: here, that it is about to close."""
    connections = []

    async def brief(one: Wire, number: int) -> None:
        connections.append(number)
        await head_of(one)
        await one.say(reply(b"", "Keep-Alive: timeout=1"))
        await head_of(one)

    async with scripted(brief) as immich, companion_before(immich) as companion:
        for _ in range(3):
            assert (await exchanged(companion, get("/"))).status == 200
    assert connections == [0, 1, 2]


# ---- The caller goes


async def test_immich_hears_that_a_caller_hung_up() -> None:
    gone = asyncio.Event()

    async def wait(one: Wire, _number: int) -> None:
        await head_of(one)
        await one.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1")
        try:
            assert await one.reader.read() == b""
        finally:
            gone.set()

    async with scripted(wait) as immich, companion_before(immich) as companion:
        async with wire(companion) as one:
            await one.say(get("/"))
            await one.reader.readexactly(10)
        async with asyncio.timeout(PATIENCE):
            await gone.wait()


async def test_an_upload_that_is_given_up_is_given_up_at_immich() -> None:
    sizes: asyncio.Queue[int] = asyncio.Queue()

    async def take(one: Wire, _number: int) -> None:
        size = 0
        await head_of(one)
        try:
            while piece := await one.reader.read(MIB):
                size += len(piece)
        finally:
            sizes.put_nowait(size)

    async with scripted(take) as immich, companion_before(immich) as companion:
        async with wire(companion) as one:
            await one.say(get("/up", f"Content-Length: {MIB}", method="POST"), b"x" * 1000)
            await asyncio.sleep(0.05)
        async with asyncio.timeout(PATIENCE):
            assert await sizes.get() <= 1000


class Thinking:
    """An interceptor that never comes to an end, and tells when it is not waited for any more."""

    def __init__(self) -> None:
        self.began, self.ended = asyncio.Event(), asyncio.Event()

    def concerns(self, method: str, path: str) -> bool:
        return (method, path) == ("POST", "/api/search/smart")

    async def answer(self, _asked: Asked) -> Response | Instead | None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()
        return None


async def test_nobody_thinks_for_a_caller_who_hung_up() -> None:
    async def never(_one: Wire, _number: int) -> None:
        raise AssertionError("Immich was asked")

    thinking = Thinking()
    async with (
        scripted(never) as immich,
        companion_before(immich, Features([thinking]), seconds=60) as companion,
    ):
        async with wire(companion) as one:
            kind = "Content-Type: application/json"
            head = get("/api/search/smart", kind, "Content-Length: 2", method="POST")
            await one.say(head + b"{}")
            async with asyncio.timeout(PATIENCE):
                await thinking.began.wait()
        async with asyncio.timeout(PATIENCE):
            await thinking.ended.wait()


# ---- Immich answers early, or is slow


@pytest.mark.parametrize("framing", ["Content-Length: 100000000", "Transfer-Encoding: chunked"])
async def test_an_upload_that_is_answered_before_it_is_read_gets_that_answer_at_once(
    framing: str,
) -> None:
    """A duplicate, or an expired session: the connection serves on when the rest has come."""

    async def refuse(one: Wire, _number: int) -> None:
        await head_of(one)
        await one.say(reply(b"no", status="401 Unauthorized"))
        await one.reader.read()

    async with (
        scripted(refuse) as immich,
        companion_before(immich) as companion,
        wire(companion) as one,
    ):
        await one.say(get("/up", framing, method="POST"))
        answer = await one.answer("POST")
        assert (answer.status, answer.body) == (401, b"no")
        if framing.startswith("Transfer"):
            await one.say(chunked([b"x" * MIB] * 4))
            await one.say(get("/again"))
            assert (await one.answer()).status == 401


async def test_a_slow_immich_holds_up_the_caller_and_nothing_piles_up() -> None:
    begun, go_on, taken = asyncio.Event(), asyncio.Event(), []

    async def slow(one: Wire, _number: int) -> None:
        await head_of(one)
        begun.set()
        await go_on.wait()
        size = 0
        while size < MUCH:
            size += len(await one.reader.read(MIB))
        taken.append(size)
        await one.say(reply(b"done"))

    async with (
        scripted(slow) as immich,
        companion_before(immich) as companion,
        wire(companion) as one,
    ):
        await one.say(get("/up", f"Content-Length: {MUCH}", method="POST"))
        await begun.wait()
        sent = await _push(one, MUCH)
        assert sent < MUCH // 2
        go_on.set()
        await one.say(b"x" * (MUCH - sent))
        assert (await one.answer("POST")).body == b"done"
    assert taken == [MUCH]


async def test_a_slow_caller_holds_up_immich_and_nothing_piles_up() -> None:
    stalled = asyncio.get_running_loop().create_future()

    async def pour(one: Wire, _number: int) -> None:
        await head_of(one)
        await one.say(f"HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n".encode())
        sent = await _push(one, MUCH)
        stalled.set_result(sent)
        await one.say(b"x" * (MUCH - sent))

    async with (
        scripted(pour) as immich,
        companion_before(immich) as companion,
        wire(companion) as one,
    ):
        await one.say(get("/original"))
        assert await stalled < MUCH // 2
        answer = await one.answer()
    assert answer.whole
    assert len(answer.body) == MUCH


async def test_a_slow_caller_who_asks_ahead_holds_up_immich_too() -> None:
    """One is only asked for when those before it are taken, as far as the sockets hold them."""
    size, times, sent = 200_000, 200, []

    async def pour(one: Wire, _number: int) -> None:
        while await head_of(one):
            await one.say(reply(b"x" * size))
            sent.append(size)

    async with (
        scripted(pour) as immich,
        companion_before(immich) as companion,
        wire(companion) as one,
    ):
        await one.say(get("/") * times)
        await asyncio.sleep(0.5)  # nobody tells that nothing moves any more
        assert sum(sent) < size * times // 2
        for _ in range(times):
            assert len((await one.answer()).body) == size


async def _push(one: Wire, most: int) -> int:
    """Send until nobody takes it any more; how much that was."""
    sent, piece = 0, b"x" * MIB
    try:
        while sent < most:
            one.writer.write(piece)
            sent += len(piece)
            async with asyncio.timeout(0.3):  # nobody tells that nothing moves any more
                await one.writer.drain()
    except TimeoutError:
        pass
    return sent

"""Whatever hubs, lines, disks and others do: a file comes whole or not at all, and why is said."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from immich_aio.engines.model_files import download
from immich_aio.engines.model_files.connection import Timeouts
from immich_aio.engines.model_files.disk import Lock
from immich_aio.engines.model_files.places import Places
from tests.conftest import NO_HUB
from tests.integration.engines.caller import (
    DATA,
    HALF,
    IMPATIENT,
    OTHER,
    UNKNOWN,
    Caller,
    put,
)
from tests.integration.engines.hub import Hub, Offer

# ---- What goes wrong at the source


FAULTS = [
    pytest.param(Offer(status=404), "answered 404 Not Found", True, id="404"),
    pytest.param(Offer(status=403), "answered 403 Forbidden", True, id="403"),
    pytest.param(Offer(status=503), "answered 503 Service Unavailable", False, id="503"),
    pytest.param(Offer(OTHER), "wrong SHA-256", True, id="wrong hash"),
    pytest.param(
        Offer(DATA, says={"X-Linked-Etag": "0" * 64}), "has another file", True, id="other hash"
    ),
    pytest.param(Offer(DATA[1:]), "has 299,999 bytes and not 300,000", True, id="too short"),
    pytest.param(Offer(DATA + b"!", chunked=True), "more than the file has", True, id="too long"),
    pytest.param(Offer(DATA[1:], chunked=True), "has 299,999 bytes", True, id="short, chunked"),
    pytest.param(
        Offer(b"<html>", says={"Content-Type": "text/html"}), "a web page", False, id="a page"
    ),
    pytest.param(Offer(DATA, sends=0), "the connection broke", False, id="cut at once"),
    pytest.param(
        Offer(status=302, says={"Location": "/a"}), "redirects without end", True, id="in circles"
    ),
    pytest.param(
        Offer(status=302, says={"Location": "ftp://nas/a"}), "no valid address", True, id="ftp"
    ),
]


@pytest.mark.parametrize(("fault", "words", "definite"), FAULTS)
async def test_a_source_that_fails_is_named_with_the_reason_and_what_to_do(
    hub: Hub, caller: Caller, fault: Offer, words: str, definite: bool
) -> None:
    error = await caller.fails(hub.offer("/a", fault))
    assert f"{hub.url}/a: " in error.message
    assert words in error.message
    assert "MODEL_SOURCES" in error.message
    assert "immich-aio models import" in error.message
    assert error.definite is definite


@pytest.mark.parametrize(("fault", "words", "definite"), FAULTS)
async def test_the_next_source_gives_what_the_first_does_not(
    hub: Hub, caller: Caller, fault: Offer, words: str, definite: bool
) -> None:
    del words, definite
    await caller.get(hub.offer("/a", fault), hub.offer("/second", Offer(DATA)))
    assert caller.files() == {"a.pt": DATA}


async def test_a_hub_that_is_not_there_is_said_to_be_out_of_reach(caller: Caller) -> None:
    error = await caller.fails(f"{NO_HUB}/a")
    assert f"{NO_HUB}/a: cannot be reached: Connection refused" in error.message
    assert not error.definite
    assert caller.files() == {}


async def test_a_host_that_does_not_even_answer_a_call_is_given_up(caller: Caller) -> None:
    """Its queue of calls is full, so the kernel leaves ours without an answer."""
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            call = stack.enter_context(socket.socket())
            call.setblocking(False)
            call.connect_ex(deaf.getsockname())
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/a"
        timeouts = Timeouts(connect=0.2, silence=5, pause=0)
        error = await caller.fails(url, timeouts=timeouts)
    assert f"{url}: no connection within 0.2 s" in error.message
    assert not error.definite


async def test_a_line_that_falls_silent_is_given_up(hub: Hub, caller: Caller, target: Path) -> None:
    offers = Offer(DATA, sends=HALF, stalls=True), Offer(DATA, sends=0, stalls=True)
    error = await caller.fails(hub.offer("/a", *offers), timeouts=IMPATIENT)
    assert "sent nothing for 0.2 s" in error.message
    assert "What has come is kept" in error.message
    assert len(Places(target).part.read_bytes()) == HALF


async def test_what_a_silent_line_began_goes_on_elsewhere(hub: Hub, caller: Caller) -> None:
    first = hub.offer("/a", Offer(DATA, sends=HALF, stalls=True), Offer(status=503))
    await caller.get(first, hub.offer("/second", Offer(DATA)), timeouts=IMPATIENT)
    assert [got.range for got in hub.asked("/second")] == [f"bytes={HALF}-"]
    assert caller.files() == {"a.pt": DATA}


async def test_one_failure_that_may_pass_makes_trying_again_worth_while(
    hub: Hub, caller: Caller
) -> None:
    both = hub.offer("/a", Offer(status=404)), hub.offer("/second", Offer(status=500))
    error = await caller.fails(*both)
    assert "404" in error.message
    assert "500" in error.message
    assert not error.definite


async def test_a_source_that_speaks_no_tls_where_it_should_is_told(caller: Caller) -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        error = await caller.fails(f"https://127.0.0.1:{port}/a")
    assert "no secure connection: " in error.message


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_empty_file_is_none_also_where_nothing_is_known_of_it(
    hub: Hub, caller: Caller, chunked: bool
) -> None:
    error = await caller.fails(hub.offer("/a", Offer(b"", chunked=chunked)), file=UNKNOWN)
    assert "gave an empty file" in error.message


async def test_a_password_in_an_address_is_sent_and_not_told(hub: Hub, caller: Caller) -> None:
    hub.offer("/a", Offer(status=404))
    error = await caller.fails(f"{hub.url}/a".replace("http://", "http://me:hush@"))
    assert hub.got[0].headers["authorization"] == "Basic bWU6aHVzaA=="
    assert "hush" not in error.message


# ---- What goes wrong here


async def test_a_file_larger_than_the_disk_is_refused_before_a_byte_is_written(
    hub: Hub, caller: Caller
) -> None:
    huge = str(10**18)
    url = hub.offer("/a", Offer(DATA, sends=10_000, says={"Content-Length": huge}))
    error = await caller.fails(url, hub.offer("/second", Offer(DATA)), file=UNKNOWN)
    assert "needs 1,000,000,000,000 MB" in error.message
    assert "CLIP_DOWNLOAD_ROOT" in error.message
    assert error.definite
    assert not hub.asked("/second")
    assert caller.files() == {}


async def test_a_disk_that_is_full_is_said_to_be_and_no_other_source_is_asked(
    hub: Hub, caller: Caller, target: Path
) -> None:
    """The kernel itself refuses the write."""
    target.parent.mkdir(parents=True)
    Places(target).part.symlink_to("/dev/full")
    error = await caller.fails(hub.offer("/a", Offer(DATA)), hub.offer("/second", Offer(DATA)))
    assert f"{target} cannot be written: No space left on device" in error.message
    assert error.definite
    assert not hub.asked("/second")


async def test_a_folder_that_cannot_be_made_is_named(
    hub: Hub, caller: Caller, target: Path
) -> None:
    target.parent.parent.write_text("a file where the folder should be")
    error = await caller.fails(hub.offer("/a", Offer(DATA)))
    assert f"{target} cannot be written" in error.message
    assert "CLIP_DOWNLOAD_ROOT" in error.message
    assert error.definite


# ---- Others who want the same file


async def test_two_at_once_fetch_it_once(hub: Hub, caller: Caller, target: Path) -> None:
    url = hub.offer("/a", Offer(DATA, sends=HALF, stalls=True))
    first = asyncio.create_task(caller.get(url))
    await asyncio.wait_for(hub.stalled.wait(), 20)
    other = Caller(hub, target)
    second = asyncio.create_task(other.get(url))
    await asyncio.wait_for(other.began.wait(), 20)
    hub.go_on.set()
    await asyncio.gather(first, second)
    assert len(hub.got) == 1
    assert {progress.url for progress in other.reported} == {None}
    assert caller.files() == {"a.pt": DATA}


async def test_a_lock_that_nobody_holds_any_more_is_no_hindrance(
    hub: Hub, caller: Caller, target: Path
) -> None:
    target.parent.mkdir(parents=True)
    Places(target).lock.write_text("4242\n")
    await caller.get(hub.offer("/a", Offer(DATA)))
    assert caller.files() == {"a.pt": DATA}


async def test_who_waits_goes_on_when_the_other_gives_up(
    hub: Hub, caller: Caller, target: Path
) -> None:
    lock = Lock(Places(target).lock)
    assert lock.taken()
    waiting = asyncio.create_task(caller.get(hub.offer("/a", Offer(DATA))))
    await asyncio.wait_for(caller.began.wait(), 20)
    assert hub.got == []
    lock.give_back()
    await waiting
    assert caller.files() == {"a.pt": DATA}


async def test_a_file_that_comes_another_way_ends_the_download(
    hub: Hub, caller: Caller, target: Path
) -> None:
    url = hub.offer("/a", Offer(DATA, sends=HALF, stalls=True))
    fetching = asyncio.create_task(caller.get(url))
    await asyncio.wait_for(hub.stalled.wait(), 20)
    put(target, DATA)
    await asyncio.wait_for(fetching, 20)
    assert caller.files() == {"a.pt": DATA}


async def test_a_file_that_is_not_the_official_one_counts_once_it_is_at_rest(
    caller: Caller, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody copies a model of his own there, which takes a while."""
    monkeypatch.setattr(download, "LOOK_AGAIN", 0.05)
    put(target, b"")
    there = asyncio.create_task(download.appears(target, len(DATA)))
    with target.open("ab", buffering=0) as file:
        for _ in range(60):
            file.write(b"more")
            await asyncio.sleep(0.005)
            assert not there.done()
    await asyncio.wait_for(there, 20)
    assert caller.files() == {"a.pt": b"more" * 60}
